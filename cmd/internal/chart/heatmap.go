package chart

import (
	"fmt"
	"html/template"
	"math"
)

// Heatmap draws a matrix of values, rows of layers by columns of experts, from cold, at low, to hot, at high. title tells what a
// cell's tooltip says.
func Heatmap(values [][]float64, low, high float64, title func(row, col int) string, label string) template.HTML {
	cols := 0
	for _, row := range values {
		cols = max(cols, len(row))
	}
	const left, top, width = 44.0, 18.0, 960.0
	cell := math.Min(28, (width-left)/float64(max(1, cols)))
	height := math.Max(9, math.Min(cell, 22))
	c := newCanvas(width, top+height*float64(len(values))+4, label)
	for col := 0; col < cols; col += max(1, cols/16) {
		c.text(left+(float64(col)+.5)*cell, 12, "middle", "tick", fmt.Sprint(col))
	}
	for r, row := range values {
		y := top + float64(r)*height
		c.text(left-6, y+height/2+4, "end", "tick", fmt.Sprint(r))
		for col, v := range row {
			part := 0.0
			if high > low {
				part = (v - low) / (high - low)
			}
			c.rect(left+float64(col)*cell, y, cell-1, height-1, heat(part), title(r, col))
		}
	}
	return c.done()
}
