package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// rare is the share of tokens below which the technical report calls an expert rarely active.
const rare = 0.14

// layerStats is what the held-out sequences did in one layer. All but RMS are shares.
type layerStats struct {
	Density  float64 `json:"density"`  // of the neurons of routed experts, the active ones
	Rare     float64 `json:"rare"`     // of the experts, those used by fewer than 14 % of the tokens
	Quarter  float64 `json:"quarter"`  // of the uses, those by the quarter of experts most used in calibration
	Reuse    float64 `json:"reuse"`    // of a token's experts, those that the next token uses again
	Chance   float64 `json:"chance"`   // what Reuse would be with the same popularities and no memory
	RMS      float64 `json:"rms"`      // of the residual stream after the layer
	Constant float64 `json:"constant"` // of the stream's energy after the layer, what all tokens have in common
}

// measure computes a layer's statistics; active counts neurons by (token, rank).
func (b *builder) measure(routes []choice, active []int) layerStats {
	held := b.x[b.calTokens*b.Hidden:]
	size, mean := rms(held), rms(meanRow(held, b.Hidden))
	if routes == nil { // a layer without experts
		return layerStats{Density: 1, RMS: size, Constant: mean * mean / size / size}
	}
	used, known := make([]float64, b.Experts), make([]float64, b.Experts)
	tokens := float64(len(routes) - b.calTokens)
	uses := tokens * float64(b.TopK)
	var neurons, again, pairs float64
	for t, r := range routes {
		if t < b.calTokens {
			for _, e := range r.experts {
				known[e]++
			}
			continue
		}
		for rank, e := range r.experts {
			used[e]++
			neurons += float64(active[t*b.TopK+rank])
			if t%b.seq > 0 {
				pairs++
				if slices.Contains(routes[t-1].experts, e) {
					again++
				}
			}
		}
	}
	s := layerStats{Density: neurons / uses / float64(b.FFN), Reuse: again / pairs, RMS: size,
		Constant: mean * mean / size / size}
	order := make([]int, b.Experts)
	for e := range order {
		order[e] = e
		if used[e] < rare*tokens {
			s.Rare += 1 / float64(b.Experts)
		}
		s.Chance += used[e] * used[e] / tokens / uses
	}
	slices.SortStableFunc(order, func(i, j int) int { return int(known[j] - known[i]) })
	for _, e := range order[:max(b.Experts/4, 1)] {
		s.Quarter += used[e] / uses
	}
	return s
}

// report prints the statistics of all layers and their mean.
func report(w io.Writer, layers []layerStats, asJSON bool) error {
	var mean layerStats
	n := float64(len(layers))
	for _, s := range layers {
		mean.Density += s.Density / n
		mean.Rare += s.Rare / n
		mean.Quarter += s.Quarter / n
		mean.Reuse += s.Reuse / n
		mean.Chance += s.Chance / n
		mean.RMS += s.RMS / n
		mean.Constant += s.Constant / n
	}
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"layers": layers, "mean": mean})
	}
	const row = "%5v %8.3f %6.3f %8.3f %6.3f %7.3f %8.3f %9.3f\n"
	if _, err := fmt.Fprintln(w, "layer  density   rare  quarter  reuse  chance      rms  constant"); err != nil {
		return err
	}
	for l, s := range layers {
		if _, err := fmt.Fprintf(w, row, l, s.Density, s.Rare, s.Quarter, s.Reuse, s.Chance, s.RMS, s.Constant); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, row, "mean", mean.Density, mean.Rare, mean.Quarter, mean.Reuse, mean.Chance, mean.RMS, mean.Constant)
	return err
}
