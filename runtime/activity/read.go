package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"st/format"
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
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the report: a file holds one")
	}
	return report, report.check()
}

// check finds what would make a comparison meaningless.
func (r *Report) check() error {
	if err := r.checkModel(); err != nil {
		return fmt.Errorf("the report is damaged: %w", err)
	}
	last := -1
	for i := range r.Layers {
		l := &r.Layers[i]
		if l.Layer <= last || l.Layer >= format.MaxLayers {
			return fmt.Errorf("the report is damaged: the number of a layer, %d, is not between %d and %d", l.Layer, last, format.MaxLayers)
		}
		last = l.Layer
		if err := r.checkLayer(l); err != nil {
			return fmt.Errorf("the report is damaged: %w", err)
		}
	}
	return nil
}

// checkModel checks what a report says of all layers together.
func (r *Report) checkModel() error {
	s := r.Shape
	if s.Layers < 1 || s.Experts < 1 || s.TopK < 1 || s.TopK > s.Experts || s.Neurons < 1 {
		return fmt.Errorf("its shape is %+v", s)
	}
	if r.Tokens < 1 || r.Tokens > 1<<40 {
		return fmt.Errorf("it tells of %d tokens", r.Tokens)
	}
	if err := r.Density.check(); err != nil {
		return err
	}
	if err := r.HotSet.check(s.Layers * s.Experts); err != nil {
		return err
	}
	if len(r.Layers) != s.Layers {
		return fmt.Errorf("it has %d layers, not %d", len(r.Layers), s.Layers)
	}
	return nil
}

// checkLayer checks what a report says of a layer.
func (r *Report) checkLayer(l *LayerReport) error {
	s := r.Shape
	if len(l.Experts) != s.Experts {
		return fmt.Errorf("layer %d has %d experts, not %d", l.Layer, len(l.Experts), s.Experts)
	}
	if (l.Density == nil) != (r.Density == nil) {
		return errors.New("some of it has densities, some has none")
	}
	if err := l.Density.check(); err != nil {
		return fmt.Errorf("layer %d: %w", l.Layer, err)
	}
	if err := l.HotSet.check(s.Experts); err != nil {
		return fmt.Errorf("layer %d: %w", l.Layer, err)
	}
	for _, p := range l.Pairs {
		if a, b := p.Experts[0], p.Experts[1]; a < 0 || b < 0 || a >= s.Experts || b >= s.Experts {
			return fmt.Errorf("layer %d has a pair of experts %d and %d", l.Layer, a, b)
		}
	}
	var sum int64
	for i := range l.Experts {
		e := &l.Experts[i]
		if e.Expert != i || e.Uses < 0 || e.Uses > r.Tokens || !share(e.Frequency) || !share(e.MeanWeight) ||
			(e.Density == nil) != (r.Density == nil) || e.Density != nil && !share(*e.Density) || e.Partner < -1 || e.Partner >= s.Experts {
			return fmt.Errorf("layer %d: where expert %d should be is expert %d, which %d of %d tokens use", l.Layer, i, e.Expert, e.Uses, r.Tokens)
		}
		sum += e.Uses
	}
	if want := r.Tokens * int64(s.TopK); sum != want {
		return fmt.Errorf("layer %d was used %d times, not %d", l.Layer, sum, want)
	}
	return nil
}

// share reports whether a number is a share.
func share(v float64) bool { return v >= 0 && v <= 1 }

// check finds a density that is no share. Without a density nothing is wrong.
func (d *Density) check() error {
	if d == nil {
		return nil
	}
	for _, v := range []float64{d.Mean, d.Min, d.Q25, d.Median, d.Q75, d.Q95, d.Max} {
		if !share(v) {
			return fmt.Errorf("a density is %v: it must be 0 to 1", v)
		}
	}
	return nil
}

func (h *HotSet) check(experts int) error {
	for _, n := range []int{h.Uses50, h.Uses80, h.Uses95} {
		if n < 1 || n > experts {
			return fmt.Errorf("a hot set has %d experts of %d", n, experts)
		}
	}
	return nil
}
