package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Series is the number of colours that series have.
const Series = 6

// canvas collects the elements of one picture.
type canvas struct {
	strings.Builder
	width, height float64
}

func newCanvas(width, height float64, label string) *canvas {
	c := &canvas{width: width, height: height}
	fmt.Fprintf(c, `<svg viewBox="0 0 %.4g %.4g" role="img" aria-label="%s">`, width, height, html.EscapeString(label))
	return c
}

func (c *canvas) done() template.HTML {
	c.WriteString("</svg>")
	return template.HTML(c.String())
}

// rect draws a rectangle with a tooltip.
func (c *canvas) rect(x, y, w, h float64, style, title string) {
	fmt.Fprintf(c, `<rect x="%.4g" y="%.4g" width="%.4g" height="%.4g" style="%s">`, x, y, w, h, style)
	c.title(title)
	c.WriteString("</rect>")
}

func (c *canvas) title(text string) {
	if text != "" {
		fmt.Fprintf(c, "<title>%s</title>", html.EscapeString(text))
	}
}

func (c *canvas) line(x1, y1, x2, y2 float64, style string) {
	fmt.Fprintf(c, `<line x1="%.4g" y1="%.4g" x2="%.4g" y2="%.4g" style="%s"/>`, x1, y1, x2, y2, style)
}

// text writes at a point; anchor is start, middle or end.
func (c *canvas) text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(c, `<text x="%.4g" y="%.4g" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, html.EscapeString(text))
}

// heat is the style of a cell whose value is v of 0 to 1.
func heat(v float64) string {
	return fmt.Sprintf("fill:color-mix(in oklab,var(--accent) %.3g%%,var(--cold))", 100*max(0, min(1, v)))
}

// ticks returns round numbers from 0 to about top, five or so.
func ticks(top float64) []float64 {
	if !(top > 0) {
		return []float64{0}
	}
	// Steps are 1, 2 or 5 times a power of ten.
	step := math.Pow(10, math.Floor(math.Log10(top/6)))
	for _, m := range []float64{1, 2, 5, 10} {
		if top/(step*m) <= 6 {
			step *= m
			break
		}
	}
	var all []float64
	for v := 0.0; v <= top*1.0001; v += step {
		all = append(all, v)
	}
	return all
}
