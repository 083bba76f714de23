package terminal

import (
	"math"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Bar draws a share, 0 to 1, as a bar of at most width characters.
func Bar(share float64, width int) string {
	eighths := int(share*float64(8*width) + 0.5)
	if share > 0 {
		eighths = max(1, eighths)
	}
	b := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		b += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return b
}

// Scale returns the height of a block that stands for a value, 0 to 7; −1: the value is nothing.
type Scale func(v float64) int

// Between is the linear scale from the least value to the most.
func Between(least, most float64) Scale {
	return func(v float64) int {
		if most <= least {
			return 0
		}
		return max(0, min(7, int(8*(v-least)/(most-least))))
	}
}

// Around is the logarithmic scale of frequencies around an even share: a step is a factor of √2, 4 times the share or more is the
// highest block. [AroundLegend] explains it.
func Around(even float64) Scale {
	const evenHeight = 3
	return func(v float64) int {
		if v <= 0 {
			return -1
		}
		return min(7, max(0, evenHeight+int(math.Round(2*math.Log2(v/even)))))
	}
}

// AroundLegend explains the blocks of a strip on the scale Around.
const AroundLegend = "· never  ▄ an even share  █ 4 times that or more; each step is a factor of 1.4"

// heights are the blocks of a strip, and heatColors their colours of the 256-colour palette, from cold to hot.
var (
	heights    = []rune("▁▂▃▄▅▆▇█")
	heatColors = [8]int{27, 33, 39, 250, 250, 214, 208, 196}
)

// Strip draws values side by side, a block each.
func (s Screen) Strip(scale Scale, values ...float64) string {
	var b strings.Builder
	for _, v := range values {
		h := scale(v)
		switch {
		case h < 0:
			b.WriteString("·")
		case s.Color:
			b.WriteString(text.Fg256Color(heatColors[h]).EscapeSeq() + string(heights[h]) + text.Reset.EscapeSeq())
		default:
			b.WriteRune(heights[h])
		}
	}
	return b.String()
}
