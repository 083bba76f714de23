package main

import (
	"math"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// heatStrip draws how often things happen next to what an even share would be, a character each.
type heatStrip struct{ color bool }

// heatLegend explains the characters of heatStrip.
const heatLegend = "· never  ▄ an even share  █ 4 times that or more; each step is a factor of 1.4"

// heatColors go with the eight heights, from cold to hot.
var heatColors = [8]uint8{27, 33, 39, 250, 250, 214, 208, 196}

// cell draws a frequency.
func (h heatStrip) cell(frequency, even float64) string {
	if frequency <= 0 {
		return "·"
	}
	const evenHeight = 3
	height := min(7, max(0, evenHeight+int(math.Round(2*math.Log2(frequency/even)))))
	block := string([]rune("▁▂▃▄▅▆▇█")[height])
	if !h.color {
		return block
	}
	return text.Fg256Color(int(heatColors[height])).EscapeSeq() + block + text.Reset.EscapeSeq()
}

// draw draws frequencies side by side.
func (h heatStrip) draw(frequencies []float64, even float64) string {
	var b strings.Builder
	for _, f := range frequencies {
		b.WriteString(h.cell(f, even))
	}
	return b.String()
}
