package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// point is what one S of --prefer-cached costs and brings.
type point struct {
	s                 float64
	kl, ratio, missed float64 // of the small model: mean divergence, ratio of perplexities, experts missing for a token
	speed, read, wait float64 // of the large one: tokens/s, MB read and ms of waiting for a token
}

// evalReport and benchReport are what is used of the JSON of st eval and st bench.
type evalReport struct {
	Divergence struct {
		KL    float64 `json:"kl_mean"`
		Ratio float64 `json:"perplexity_ratio"`
	} `json:"divergence"`
	Decode struct {
		Missed float64 `json:"expert_misses_per_token"`
	} `json:"decode"`
}

type benchReport struct {
	Speed float64 `json:"gen_tokens_per_second"`
	Gen   struct {
		Read float64 `json:"bytes_read_per_token"`
		Wait float64 `json:"wait_ms_per_token"`
	} `json:"gen_reading"`
}

// readPoints reads eval-S-N.json and bench-S-N.json of a folder, and returns medians over N, ordered by S.
func readPoints(folder string) ([]point, error) {
	firsts, err := filepath.Glob(filepath.Join(folder, "eval-*-1.json"))
	if err != nil {
		return nil, err
	}
	var points []point
	for _, first := range firsts {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(first), "eval-"), "-1.json")
		s, err := strconv.ParseFloat(name, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: not the name of an S", first)
		}
		evals, err := readAll[evalReport](filepath.Join(folder, "eval-"+name+"-*.json"))
		if err != nil {
			return nil, err
		}
		benches, err := readAll[benchReport](filepath.Join(folder, "bench-"+name+"-*.json"))
		if err != nil {
			return nil, err
		}
		points = append(points, point{
			s:      s,
			kl:     median(evals, func(e evalReport) float64 { return e.Divergence.KL }),
			ratio:  median(evals, func(e evalReport) float64 { return e.Divergence.Ratio }),
			missed: median(evals, func(e evalReport) float64 { return e.Decode.Missed }),
			speed:  median(benches, func(b benchReport) float64 { return b.Speed }),
			read:   median(benches, func(b benchReport) float64 { return b.Gen.Read / 1e6 }),
			wait:   median(benches, func(b benchReport) float64 { return b.Gen.Wait }),
		})
	}
	if len(points) < 2 {
		return nil, fmt.Errorf("%s: there are %d files eval-S-1.json", folder, len(points))
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.s, b.s) })
	return points, nil
}

// readAll reads the JSON of all files of a pattern, of which there is one at least.
func readAll[T any](pattern string) ([]T, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no such file", pattern)
	}
	var all []T
	for _, file := range files {
		var one T
		if err := readJSON(file, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func median[T any](all []T, value func(T) float64) float64 {
	var x []float64
	for _, one := range all {
		x = append(x, value(one))
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// drawCurves draws, over the divergence of the small model, how many experts are missing and how fast the large model generates. It prints the same
// as a table, and marks the divergence that Q4_0 costs, unless that is 0.
func drawCurves(folder string, q4 float64) (string, error) {
	points, err := readPoints(folder)
	if err != nil {
		return "", err
	}
	for _, p := range points {
		fmt.Printf("| %g | %.4f | %.3f | %.1f | %.1f | %.1f | %.1f |\n", p.s, p.kl, p.ratio, p.missed, p.read, p.wait, p.speed)
	}
	c := &canvas{width: 1000, height: 350}
	c.text("ink", "start", 14, 8, 22, "What --prefer-cached S costs and brings, by S")
	plot := func(x float64, class, title string, value func(point) float64) {
		p := panel{canvas: c, x: x, y: 68, w: 410, h: 225, q4: q4}
		for _, q := range points {
			p.top = max(p.top, value(q))
			p.most = max(p.most, q.kl)
		}
		p.draw(title)
		var line [][2]float64
		for _, q := range points {
			px, py := p.at(q.kl, value(q))
			line = append(line, [2]float64{px, py})
			c.dot("dot"+class, px, py)
		}
		c.line("line"+class, line...)
		for i, q := range points {
			p.label(line, i, fmt.Sprintf("%g", q.s))
		}
	}
	plot(55, "1", "small model: experts missing for a token", func(p point) float64 { return p.missed })
	plot(555, "2", "4B shape in 1 GiB: tokens/s", func(p point) float64 { return p.speed })
	return c.svg("What --prefer-cached costs and brings"), nil
}

// panel is a plot whose horizontal axis is a mean KL divergence: logarithmic from klFloor on, with what is less at its left end.
type panel struct {
	*canvas
	x, y, w, h float64
	top, most  float64 // the largest value and divergence
	q4         float64
	names      []box // of points
}

// label names a point of a line, where neither the line nor another name crosses the name: above or below, to the right, the left or in the middle.
func (p *panel) label(line [][2]float64, i int, name string) {
	const size, digit, clear = 11, 6.5, 2.0
	width := digit * float64(len(name))
	best, crossed := box{}, math.MaxInt
	for _, dy := range []float64{-6, 15} {
		for _, dx := range []float64{5, -width / 2, -width - 5} {
			x, y := line[i][0]+dx, line[i][1]+dy
			b := box{x - clear, y - size + 2 - clear, x + width + clear, y + clear}
			n := 0
			for j := range line[1:] {
				if b.crosses(line[j], line[j+1]) {
					n++
				}
			}
			for _, other := range p.names {
				if b.left < other.right && other.left < b.right && b.top < other.bottom && other.top < b.bottom {
					n++
				}
			}
			if n < crossed {
				best, crossed = b, n
			}
		}
	}
	p.names = append(p.names, best)
	p.text("ink", "start", size, best.left+clear, best.bottom-clear, name)
}

// box is a rectangle of the picture.
type box struct{ left, top, right, bottom float64 }

// crosses reports whether a part of the line from a to b lies in the box (Liang and Barsky, ACM Transactions on Graphics 3, 1984).
func (r box) crosses(a, b [2]float64) bool {
	from, to := 0.0, 1.0 // what of the line is inside of the edges seen so far
	dx, dy := b[0]-a[0], b[1]-a[1]
	for _, edge := range [][2]float64{{-dx, a[0] - r.left}, {dx, r.right - a[0]}, {-dy, a[1] - r.top}, {dy, r.bottom - a[1]}} {
		switch towards, distance := edge[0], edge[1]; {
		case towards == 0 && distance < 0:
			return false
		case towards < 0:
			from = max(from, distance/towards)
		case towards > 0:
			to = min(to, distance/towards)
		}
	}
	return from <= to
}

const klFloor = 0.0003

func (p *panel) at(kl, value float64) (x, y float64) {
	decades := math.Log10(p.most * 1.6 / klFloor)
	x = p.x + 12
	if kl > klFloor {
		x += math.Log10(kl/klFloor) / decades * (p.w - 24)
	}
	return x, p.y + p.h - value/(p.top*1.12)*p.h
}

func (p *panel) draw(title string) {
	p.text("ink", "start", 12, p.x, p.y-14, title)
	p.rect("track", p.x, p.y, p.w, p.h)
	step := math.Pow(10, math.Floor(math.Log10(p.top)))
	for p.top/step < 4 {
		step /= 2
	}
	for v := 0.0; v <= p.top*1.1; v += step {
		_, y := p.at(0, v)
		p.line("axis", [2]float64{p.x, y}, [2]float64{p.x + p.w, y})
		p.text("faint", "end", 11, p.x-6, y+4, fmt.Sprintf("%g", v))
	}
	for _, kl := range []float64{0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3} {
		if x, _ := p.at(kl, 0); kl <= p.most*1.6 {
			p.line("axis", [2]float64{x, p.y}, [2]float64{x, p.y + p.h})
			p.text("faint", "middle", 11, x, p.y+p.h+16, fmt.Sprintf("%g", kl))
		}
	}
	if x, _ := p.at(p.q4, 0); p.q4 > 0 {
		p.line("axis", [2]float64{x, p.y}, [2]float64{x, p.y + p.h})
		p.text("faint", "end", 11, x-3, p.y+p.h-6, "Q4_0 itself")
	}
	p.text("faint", "middle", 11, p.x+p.w/2, p.y+p.h+36, "small model: mean KL divergence from the router's own choice")
}
