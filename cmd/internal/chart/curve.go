package chart

import (
	"fmt"
	"html/template"
	"strings"
)

// Point is a point of a curve, with its tooltip.
type Point struct {
	X, Y  float64
	Title string
}

// Curve draws a line through points from the left to the right. xTick and yTick write the numbers of the axes, which begin at 0.
func Curve(points []Point, xTick, yTick func(float64) string, label string) template.HTML {
	const left, bottom, width, height = 64.0, 24.0, 960.0, 240.0
	c := newCanvas(width, height, label)
	var right, top float64
	for _, p := range points {
		right, top = max(right, p.X), max(top, p.Y)
	}
	if !(right > 0 && top > 0) {
		return c.done()
	}
	x := func(v float64) float64 { return left + v/right*(width-left-16) }
	y := func(v float64) float64 { return height - bottom - v/top*(height-bottom-12) }
	for _, v := range ticks(top) {
		c.line(left, y(v), width, y(v), "stroke:var(--line)")
		c.text(left-6, y(v)+4, "end", "tick", yTick(v))
	}
	for _, v := range ticks(right) {
		c.text(x(v), height-6, "middle", "tick", xTick(v))
	}
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%s%.5g %.5g", map[bool]string{true: "M", false: "L"}[i == 0], x(p.X), y(p.Y))
	}
	fmt.Fprintf(c, `<path d="%s" style="fill:none;stroke:var(--series-0);stroke-width:2"/>`, path.String())
	for _, p := range points {
		fmt.Fprintf(c, `<circle cx="%.5g" cy="%.5g" r="4" style="fill:var(--series-0)">`, x(p.X), y(p.Y))
		c.title(p.Title)
		c.WriteString("</circle>")
	}
	return c.done()
}
