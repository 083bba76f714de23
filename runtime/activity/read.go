package activity

import (
	"encoding/json"
	"fmt"
	"io"
)

// ReadReport reads a report from its JSON, and checks that it is whole.
func ReadReport(r io.Reader) (*Report, error) {
	report := &Report{}
	d := json.NewDecoder(r)
	if err := d.Decode(report); err != nil {
		return nil, fmt.Errorf("this is no activity report: %w", err)
	}
	if report.Kind != Kind {
		return nil, fmt.Errorf(`this is no activity report: "report" is %q, not %q`, report.Kind, Kind)
	}
	if report.Version != Version {
		return nil, fmt.Errorf("the report has version %d: this program reads version %d", report.Version, Version)
	}
	if d.More() {
		return nil, fmt.Errorf("something follows the report: a file holds one")
	}
	return report, report.check()
}

// check finds what would make a comparison meaningless.
func (r *Report) check() error {
	s := r.Shape
	if s.Layers < 1 || s.Experts < 1 || s.TopK < 1 || s.TopK > s.Experts || s.Neurons < 1 {
		return fmt.Errorf("the report is damaged: its shape is %+v", s)
	}
	if r.Tokens < 1 || r.Tokens > 1<<40 {
		return fmt.Errorf("the report is damaged: it tells of %d tokens", r.Tokens)
	}
	if len(r.Layers) != s.Layers {
		return fmt.Errorf("the report is damaged: it has %d layers, not %d", len(r.Layers), s.Layers)
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		if l.Layer != i || len(l.Experts) != s.Experts {
			return fmt.Errorf("the report is damaged: where layer %d of %d experts should be is layer %d of %d", i, s.Experts, l.Layer, len(l.Experts))
		}
		if l.Density.Mean < 0 || l.Density.Mean > 1 {
			return fmt.Errorf("the report is damaged: layer %d has a density of %v", i, l.Density.Mean)
		}
		var sum int64
		for j := range l.Experts {
			e := &l.Experts[j]
			if e.Expert != j || e.Uses < 0 || e.Uses > r.Tokens {
				return fmt.Errorf("the report is damaged: layer %d: where expert %d should be is expert %d, which %d of %d tokens use", i, j, e.Expert, e.Uses, r.Tokens)
			}
			sum += e.Uses
		}
		if want := r.Tokens * int64(s.TopK); sum != want {
			return fmt.Errorf("the report is damaged: layer %d was used %d times, not %d", i, sum, want)
		}
	}
	return nil
}
