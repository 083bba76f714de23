package calibration

import "st/format"

// Part is a share of what there is to collect of a model. Covariances take much memory: they are collected in parts, the text is run
// once for each, and [Open] takes all of them. Each part has the same bits as if everything was collected at once.
type Part struct {
	Means    bool // the mean squares of all layers, and how many tokens chose each expert
	From, To int  // the layers, From to To−1, whose covariances are collected
	Head     bool // the covariance of the head's inputs, too
}

// everything is the part that has all.
func everything(c *format.Config, covariance bool) Part {
	p := Part{Means: true, Head: covariance}
	if covariance {
		p.To = c.Layers
	}
	return p
}

// Parts divides what there is into the fewest parts that take no more than so many bytes of memory each. The first has the means. A part
// has the covariances of one layer at least, or of the head, whatever they take.
func Parts(c *format.Config, memory int64) []Part {
	parts := []Part{{Means: true}}
	fits := func(p Part) bool { return p.Bytes(c) <= memory }
	for l := range c.Layers {
		p := &parts[len(parts)-1]
		longer := *p
		if longer.To++; fits(longer) || p.From == p.To {
			*p = longer
			continue
		}
		parts = append(parts, Part{From: l, To: l + 1})
	}
	last := &parts[len(parts)-1]
	with := *last
	if with.Head = true; fits(with) {
		*last = with
		return parts
	}
	return append(parts, Part{From: c.Layers, To: c.Layers, Head: true})
}

// Bytes returns the memory that a [Collector] of the part and its [Statistics] take.
func (p Part) Bytes(c *format.Config) (n int64) {
	input := func(cols int, covariance bool) {
		if p.Means {
			n += (8 + 4) * int64(cols) // sums in float64, and their means in float32
		}
		if covariance {
			n += 4 * int64(triangle(cols))
		}
	}
	for l := range c.Layers {
		covariance := p.From <= l && l < p.To
		for _, cols := range []int{c.Hidden, c.Heads * c.HeadDim, c.Hidden} {
			input(cols, covariance)
		}
		switch {
		case !c.HasExperts(l):
			input(c.FFNOf(l), covariance)
		case p.Means:
			n += (8 + 4 + 4) * int64(c.MoE.Experts) * int64(c.Hidden+c.MoE.ExpertFFN) // means of each expert, and then of all
		}
	}
	input(c.Hidden, p.Head)
	return n
}
