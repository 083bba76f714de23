package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// wellFormed fails if a picture is no XML, and returns how many elements of each name it has.
func wellFormed(t *testing.T, svg template.HTML) map[string]int {
	t.Helper()
	n := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestSquarify(t *testing.T) {
	for _, sizes := range [][]float64{{6, 6, 4, 3, 2, 2, 1}, {1}, {1000, 1, 1, 0.001}, {3, 0, 0}, {}} {
		b := box{10, 20, 600, 400}
		parts := squarify(sizes, b)
		if len(parts) != len(sizes) {
			t.Fatalf("%v: %d parts", sizes, len(parts))
		}
		var total float64
		for _, s := range sizes {
			total += s
		}
		for i, p := range parts {
			if want := sizes[i] / total * 240000; math.Abs(p.w*p.h-want) > 1e-6*240000 {
				t.Errorf("%v: part %d covers %g, want %g", sizes, i, p.w*p.h, want)
			}
			if p.x < b.x-1e-9 || p.y < b.y-1e-9 || p.x+p.w > 610+1e-6 || p.y+p.h > 420+1e-6 {
				t.Errorf("%v: part %d is outside: %+v", sizes, i, p)
			}
			for j, q := range parts[:i] {
				if p.w*p.h > 1 && q.w*q.h > 1 && p.x+1e-6 < q.x+q.w && q.x+1e-6 < p.x+p.w && p.y+1e-6 < q.y+q.h && q.y+1e-6 < p.y+p.h {
					t.Errorf("%v: parts %d and %d overlap", sizes, i, j)
				}
			}
		}
	}
}

func TestPictures(t *testing.T) {
	evil := `<script>alert("1")</script>&`
	for name, tt := range map[string]struct {
		svg  template.HTML
		want map[string]int
	}{
		"treemap": {Treemap([]Area{{evil, evil, 5, 0}, {"b", "b", 3, 1}, {"c", "c", 1, 1}, {"none", "", 0, 2}}, 600, 300, evil),
			map[string]int{"rect": 3, "title": 3}},
		"heatmap": {Heatmap([][]float64{{0, 1, 2}, {3, 4, 5}}, 0, 5, func(r, c int) string { return fmt.Sprint(r, c, evil) }, "h"),
			map[string]int{"rect": 6, "title": 6}},
		"a flat heatmap": {Heatmap([][]float64{{1, 1}}, 1, 1, func(int, int) string { return "" }, "h"), map[string]int{"rect": 2}},
		"boxes":          {Boxes([]Box{{"0", evil, 0, .1, .2, .3, .5, 1}, {evil, "b", 0, 0, 0, 0, 0, 0}}, "b"), map[string]int{"rect": 2, "title": 2}},
		"curve":          {Curve([]Point{{1, 2, evil}, {2, 5, "b"}}, num, num, "c"), map[string]int{"path": 1, "circle": 2, "title": 2}},
		"no curve":       {Curve(nil, num, num, "c"), map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := wellFormed(t, tt.svg)
			for element, n := range tt.want {
				if got[element] != n {
					t.Errorf("%d of <%s>, want %d", got[element], element, n)
				}
			}
		})
	}
}

func num(v float64) string { return fmt.Sprint(v) }

func TestTicks(t *testing.T) {
	for top, want := range map[float64][]float64{0: {0}, 1: {0, .2, .4, .6, .8, 1}, 60.9: {0, 20, 40, 60}, 7: {0, 2, 4, 6}, 3e9: {0, 5e8, 1e9, 1.5e9, 2e9, 2.5e9, 3e9}} {
		got := ticks(top)
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9*(1+b) }) {
			t.Errorf("to %v: %v, want %v", top, got, want)
		}
	}
}
