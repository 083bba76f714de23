package chart

import (
	"fmt"
	"html/template"
	"math"
)

// Box is a distribution: its quantiles. Tick stands below it, Name is in its tooltip.
type Box struct {
	Tick, Name                    string
	Min, Q1, Median, Q3, P95, Max float64
}

// Boxes draws distributions of shares, 0 to 1, side by side: the box from quartile to quartile, the line from the smallest to the
// largest, a dash at 95 %.
func Boxes(boxes []Box, label string) template.HTML {
	const left, bottom, width, height = 44.0, 22.0, 960.0, 240.0
	c := newCanvas(width, height, label)
	y := func(v float64) float64 { return 6 + (1-v)*(height-bottom-6) }
	for _, v := range []float64{0, .25, .5, .75, 1} {
		c.line(left, y(v), width, y(v), "stroke:var(--line)")
		c.text(left-6, y(v)+4, "end", "tick", fmt.Sprintf("%.0f %%", 100*v))
	}
	step := (width - left) / float64(max(1, len(boxes)))
	w := math.Min(18, step*.6)
	for i, b := range boxes {
		x := left + (float64(i)+.5)*step
		c.line(x, y(b.Min), x, y(b.Max), "stroke:var(--faint)")
		c.line(x-w/4, y(b.P95), x+w/4, y(b.P95), "stroke:var(--faint)")
		c.rect(x-w/2, y(b.Q3), w, math.Max(1, y(b.Q1)-y(b.Q3)), "fill:var(--series-0)",
			fmt.Sprintf("%s: median %.1f %%, quartiles %.1f and %.1f %%, 95 %% below %.1f %%, from %.1f to %.1f %%", b.Name,
				100*b.Median, 100*b.Q1, 100*b.Q3, 100*b.P95, 100*b.Min, 100*b.Max))
		c.line(x-w/2, y(b.Median), x+w/2, y(b.Median), "stroke:var(--paper);stroke-width:2")
		if every := (len(boxes) + 31) / 32; i%max(1, every) == 0 {
			c.text(x, height-6, "middle", "tick", b.Tick)
		}
	}
	return c.done()
}
