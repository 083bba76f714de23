package chart

import (
	"fmt"
	"html/template"
	"math"
	"slices"
)

// Area is a rectangle of a treemap: a leaf of a group, which has a colour.
type Area struct {
	Name  string
	Title string // tooltip
	Size  float64
	Group int // colour
}

// Treemap draws areas in proportion to their sizes, those of a group together, by the squarified layout (Bruls, Huizing and
// van Wijk, Squarified Treemaps, 2000).
func Treemap(areas []Area, width, height float64, label string) template.HTML {
	c := newCanvas(width, height, label)
	groups := map[int]float64{}
	for _, a := range areas {
		groups[a.Group] += a.Size
	}
	var order []int
	for g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, func(a, b int) int { return cmpFloat(groups[b], groups[a], a, b) })
	sizes := make([]float64, len(order))
	for i, g := range order {
		sizes[i] = groups[g]
	}
	for i, outer := range squarify(sizes, box{0, 0, width, height}) {
		var leaves []Area
		for _, a := range areas {
			if a.Group == order[i] && a.Size > 0 {
				leaves = append(leaves, a)
			}
		}
		slices.SortStableFunc(leaves, func(a, b Area) int { return cmpFloat(b.Size, a.Size, 0, 0) })
		sizes := make([]float64, len(leaves))
		for k, a := range leaves {
			sizes[k] = a.Size
		}
		for k, b := range squarify(sizes, outer) {
			c.rect(b.x, b.y, b.w, b.h, fmt.Sprintf("fill:var(--series-%d);stroke:var(--paper);stroke-width:1", order[i]%Series), leaves[k].Title)
			if b.w > 7*float64(len(leaves[k].Name)) && b.h > 16 {
				c.text(b.x+5, b.y+14, "start", "on", leaves[k].Name)
			}
		}
	}
	return c.done()
}

func cmpFloat(a, b float64, i, j int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return i - j
}

type box struct{ x, y, w, h float64 }

// squarify cuts a box into parts in proportion to sizes, which fall, as square as can be: parts go in rows along the shorter
// side, and a row ends when another part would make its worst one longer.
func squarify(sizes []float64, b box) []box {
	var total float64
	for _, s := range sizes {
		total += s
	}
	if !(total > 0) {
		return make([]box, len(sizes))
	}
	scale := b.w * b.h / total
	parts := make([]box, 0, len(sizes))
	for len(parts) < len(sizes) {
		rest := sizes[len(parts):]
		side := math.Min(b.w, b.h)
		n, sum := 0, 0.0
		worst := math.Inf(1)
		for n < len(rest) {
			w := worstRatio(rest[:n+1], sum+rest[n], side, scale)
			if w > worst {
				break
			}
			sum += rest[n]
			n, worst = n+1, w
		}
		thick := 0.0
		if side > 0 {
			thick = sum * scale / side
		}
		at := 0.0
		for _, s := range rest[:n] {
			length := 0.0
			if thick > 0 {
				length = s * scale / thick
			}
			if b.w >= b.h {
				parts = append(parts, box{b.x, b.y + at, thick, length})
			} else {
				parts = append(parts, box{b.x + at, b.y, length, thick})
			}
			at += length
		}
		if b.w >= b.h {
			b.x, b.w = b.x+thick, b.w-thick
		} else {
			b.y, b.h = b.y+thick, b.h-thick
		}
	}
	return parts
}

// worstRatio is the largest ratio of sides in a row of parts.
func worstRatio(row []float64, sum, side, scale float64) float64 {
	area := sum * scale
	worst := 0.0
	for _, s := range row {
		if s <= 0 {
			continue
		}
		length, thick := s/sum*side, area/side
		worst = math.Max(worst, math.Max(length/thick, thick/length))
	}
	return worst
}
