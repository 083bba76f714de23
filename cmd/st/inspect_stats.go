package main

import (
	"context"
	goruntime "runtime"

	"st/format"
	"st/format/weightstats"
)

// weightReport describes the weights of a matrix, or of several.
type weightReport struct {
	Weights      int64   `json:"weights"`
	RMS          float64 `json:"rms"`
	MaxAbs       float32 `json:"max_abs"`
	MaxOverRMS   float64 `json:"max_over_rms"`
	Outliers     int64   `json:"outliers"`
	OutlierShare float64 `json:"outlier_share"`
	MinScale     float32 `json:"scale_min"`
	MaxScale     float32 `json:"scale_max"`
	ZeroRows     int64   `json:"zero_rows"`
	NonFinite    int64   `json:"nonfinite"`
}

func newWeightReport(s *weightstats.Stats) weightReport {
	return weightReport{s.Weights, s.RMS(), s.MaxAbs, s.Peak, s.Outliers, s.OutlierShare(), s.MinScale, s.MaxScale, s.ZeroRows, s.NonFinite}
}

// layerStatistics are the statistics of a layer, by what the matrices are for and, in the dense part, one by one.
type layerStatistics struct {
	Attention   weightReport            `json:"attention"`
	Router      weightReport            `json:"router"`
	Norms       weightReport            `json:"norms"`
	Experts     weightReport            `json:"experts"`
	Gate        weightReport            `json:"gate"`
	Up          weightReport            `json:"up"`
	Down        weightReport            `json:"down"`
	Matrices    map[string]weightReport `json:"matrices"`
	ExpertRMS   []float64               `json:"expert_rms"`
	DeadNeurons int                     `json:"dead_neurons"`
	Alike       []alikeReport           `json:"alike"`
}

type alikeReport struct {
	Experts       [2]int  `json:"experts"`
	Cosine        float64 `json:"cosine"`
	StandardError float64 `json:"standard_error"`
}

type expertStatistics struct {
	All         weightReport   `json:"all"`
	Gate        weightReport   `json:"gate"`
	Up          weightReport   `json:"up"`
	Down        weightReport   `json:"down"`
	DeadNeurons int            `json:"dead_neurons"`
	Nearest     *nearestReport `json:"nearest"`
}

type nearestReport struct {
	Expert        int     `json:"expert"`
	Cosine        float64 `json:"cosine"`
	StandardError float64 `json:"standard_error"`
}

// addStatistics reads the weights and adds what they are like to the layers and experts that the report lists.
func (a *app) addStatistics(ctx context.Context, r *format.Reader, f *fileReport, layer int) error {
	p := a.newProgress("statistics", "B")
	defer p.finish()
	// One more than there are cores, so that the disk has something to do while they compute.
	m, err := weightstats.Measure(ctx, r, weightstats.Options{Layer: layer, Workers: goruntime.GOMAXPROCS(0) + 1, Progress: p.update})
	if err != nil {
		return err
	}
	experts := map[[2]int]*expertStatistics{}
	for i := range m.Layers {
		l := &m.Layers[i]
		if f.Layers != nil {
			f.Layers[i].Statistics = newLayerStatistics(l)
		}
		for j := range l.Experts {
			experts[[2]int{l.Index, l.Experts[j].Index}] = newExpertStatistics(&l.Experts[j])
		}
	}
	for i := range f.Experts {
		x := &f.Experts[i]
		x.Statistics = experts[[2]int{x.Layer, x.Expert}]
	}
	return nil
}

func newLayerStatistics(l *weightstats.Layer) *layerStatistics {
	s := &layerStatistics{Matrices: map[string]weightReport{}, ExpertRMS: []float64{}, Alike: []alikeReport{}}
	var attention, router, norms, experts weightstats.Stats
	for i := range l.Dense {
		d := &l.Dense[i]
		switch tensorClass(&format.Record{Expert: -1}, d.Name) {
		case classAttention:
			attention.Merge(&d.Stats)
		case classRouters:
			router.Merge(&d.Stats)
		case classNorms:
			norms.Merge(&d.Stats)
		}
		s.Matrices[matrixName(d.Name)] = newWeightReport(&d.Stats)
	}
	parts := map[string]*weightstats.Stats{"gate": {}, "up": {}, "down": {}}
	for i := range l.Experts {
		x := &l.Experts[i]
		all := x.All()
		experts.Merge(&all)
		for j := range x.Matrices {
			if part := parts[matrixName(x.Matrices[j].Name)]; part != nil {
				part.Merge(&x.Matrices[j].Stats)
			}
		}
		s.ExpertRMS = append(s.ExpertRMS, all.RMS())
		s.DeadNeurons += x.DeadNeurons
	}
	s.Attention, s.Router, s.Norms, s.Experts = newWeightReport(&attention), newWeightReport(&router), newWeightReport(&norms), newWeightReport(&experts)
	s.Gate, s.Up, s.Down = newWeightReport(parts["gate"]), newWeightReport(parts["up"]), newWeightReport(parts["down"])
	for _, p := range l.Alike {
		s.Alike = append(s.Alike, alikeReport{[2]int{p.A, p.B}, p.Cosine, p.StandardError})
	}
	return s
}

func newExpertStatistics(x *weightstats.Expert) *expertStatistics {
	all := x.All()
	s := &expertStatistics{All: newWeightReport(&all), DeadNeurons: x.DeadNeurons}
	for i := range x.Matrices {
		w := newWeightReport(&x.Matrices[i].Stats)
		switch matrixName(x.Matrices[i].Name) {
		case "gate":
			s.Gate = w
		case "up":
			s.Up = w
		case "down":
			s.Down = w
		}
	}
	if x.Nearest >= 0 {
		s.Nearest = &nearestReport{x.Nearest, x.Cosine, x.StandardError}
	}
	return s
}

// isAlike reports whether the nearest expert is a near-duplicate.
func (s *expertStatistics) isAlike() bool {
	return s.Nearest != nil && s.Nearest.Cosine > weightstats.AlikeCosine
}
