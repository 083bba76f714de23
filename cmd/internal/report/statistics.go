package report

import (
	"context"
	"math"
	"runtime"

	"st/format"
	"st/format/weightstats"
)

// TensorStatistics describe the weights of a matrix, or of several together. MaxOverRMS is the largest |w| in RMS of its own matrix,
// and outliers are weights beyond 6 times that.
type TensorStatistics struct {
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

func newTensorStatistics(s *weightstats.Stats) TensorStatistics {
	return TensorStatistics{s.Weights, s.RMS(), s.MaxAbs, s.Peak, s.Outliers, s.OutlierShare(), s.MinScale, s.MaxScale, s.ZeroRows, s.NonFinite}
}

// LayerStatistics describe the weights of a layer: by what they are for, and one by one those that belong to no expert. Gate, Up and
// Down are those of all experts together or, in a layer without experts, those of its feed-forward network.
type LayerStatistics struct {
	Attention   TensorStatistics            `json:"attention"`
	Router      TensorStatistics            `json:"router"`
	Norms       TensorStatistics            `json:"norms"`
	Experts     TensorStatistics            `json:"experts"`
	Gate        TensorStatistics            `json:"gate"`
	Up          TensorStatistics            `json:"up"`
	Down        TensorStatistics            `json:"down"`
	Matrices    map[string]TensorStatistics `json:"matrices"`
	ExpertRMS   []float64                   `json:"expert_rms"`
	DeadNeurons int                         `json:"dead_neurons"`
	Alike       []AlikePair                 `json:"alike"`
}

// FFN returns the statistics of the layer's feed-forward network: of its experts or, if it has none, of gate, up and down.
func (s *LayerStatistics) FFN() TensorStatistics {
	if s.Experts.Weights > 0 {
		return s.Experts
	}
	var ffn TensorStatistics
	squares := 0.
	for _, x := range []TensorStatistics{s.Gate, s.Up, s.Down} {
		squares += x.RMS * x.RMS * float64(x.Weights)
		ffn.Weights += x.Weights
		ffn.MaxAbs, ffn.MaxOverRMS = max(ffn.MaxAbs, x.MaxAbs), max(ffn.MaxOverRMS, x.MaxOverRMS)
		ffn.Outliers += x.Outliers
		if x.MaxScale > 0 && (ffn.MinScale == 0 || x.MinScale < ffn.MinScale) {
			ffn.MinScale = x.MinScale
		}
		ffn.MaxScale = max(ffn.MaxScale, x.MaxScale)
		ffn.ZeroRows, ffn.NonFinite = ffn.ZeroRows+x.ZeroRows, ffn.NonFinite+x.NonFinite
	}
	all := float64(max(1, ffn.Weights))
	ffn.RMS, ffn.OutlierShare = math.Sqrt(squares/all), float64(ffn.Outliers)/all
	return ffn
}

// AlikePair are two experts of a layer with nearly the same weights. The cosine is an estimate.
type AlikePair struct {
	Experts       [2]int  `json:"experts"`
	Cosine        float64 `json:"cosine"`
	StandardError float64 `json:"standard_error"`
}

// ExpertStatistics describe the weights of an expert.
type ExpertStatistics struct {
	All         TensorStatistics `json:"all"`
	Gate        TensorStatistics `json:"gate"`
	Up          TensorStatistics `json:"up"`
	Down        TensorStatistics `json:"down"`
	DeadNeurons int              `json:"dead_neurons"`
	Nearest     *NearestExpert   `json:"nearest"`
}

// NearestExpert is the expert of the same layer whose weights have the largest cosine, as estimated.
type NearestExpert struct {
	Expert        int     `json:"expert"`
	Cosine        float64 `json:"cosine"`
	StandardError float64 `json:"standard_error"`
}

// IsAlike reports whether the nearest expert is a near-duplicate.
func (s *ExpertStatistics) IsAlike() bool {
	return s.Nearest != nil && s.Nearest.Cosine > weightstats.AlikeCosine
}

// addStatistics reads the weights and describes them in the layers and experts that the report lists.
func (f *File) addStatistics(ctx context.Context, r *format.Reader, layer int, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	// One worker more than there are cores keeps the disk busy while they compute.
	m, err := weightstats.Measure(ctx, r, weightstats.Options{Layer: layer, Workers: runtime.GOMAXPROCS(0) + 1, Progress: progress})
	if err != nil {
		return err
	}
	experts := map[[2]int]*ExpertStatistics{}
	for i := range m.Layers {
		l := &m.Layers[i]
		if f.Layers != nil {
			f.Layers[i].Statistics = newLayerStatistics(r, l)
		}
		for j := range l.Experts {
			experts[[2]int{l.Index, l.Experts[j].Index}] = newExpertStatistics(r, &l.Experts[j])
		}
	}
	for i := range f.Experts {
		x := &f.Experts[i]
		x.Statistics = experts[[2]int{x.Layer, x.Expert}]
	}
	return nil
}

func newLayerStatistics(r *format.Reader, l *weightstats.Layer) *LayerStatistics {
	s := &LayerStatistics{Matrices: map[string]TensorStatistics{}, ExpertRMS: []float64{}, Alike: []AlikePair{}}
	classes := map[Class]*weightstats.Stats{Attention: {}, Routers: {}, Norms: {}, Experts: {}}
	parts := map[string]*weightstats.Stats{"gate": {}, "up": {}, "down": {}}
	addPart := func(name string, x *weightstats.Stats) {
		if part := parts[ffnPart(roleOfName(r, name))]; part != nil {
			part.Merge(x)
		}
	}
	for i := range l.Dense {
		d := &l.Dense[i]
		switch class := classOf(roleOfName(r, d.Name), false); {
		case classes[class] != nil:
			classes[class].Merge(&d.Stats)
		case class == DenseFFN:
			addPart(d.Name, &d.Stats)
		}
		s.Matrices[matrixName(d.Name)] = newTensorStatistics(&d.Stats)
	}
	for i := range l.Experts {
		x := &l.Experts[i]
		all := x.All()
		classes[Experts].Merge(&all)
		for j := range x.Matrices {
			addPart(x.Matrices[j].Name, &x.Matrices[j].Stats)
		}
		s.ExpertRMS = append(s.ExpertRMS, all.RMS())
		s.DeadNeurons += x.DeadNeurons
	}
	s.Attention, s.Router = newTensorStatistics(classes[Attention]), newTensorStatistics(classes[Routers])
	s.Norms, s.Experts = newTensorStatistics(classes[Norms]), newTensorStatistics(classes[Experts])
	s.Gate, s.Up, s.Down = newTensorStatistics(parts["gate"]), newTensorStatistics(parts["up"]), newTensorStatistics(parts["down"])
	for _, p := range l.Alike {
		s.Alike = append(s.Alike, AlikePair{[2]int{p.A, p.B}, p.Cosine, p.StandardError})
	}
	return s
}

func newExpertStatistics(r *format.Reader, x *weightstats.Expert) *ExpertStatistics {
	all := x.All()
	s := &ExpertStatistics{All: newTensorStatistics(&all), DeadNeurons: x.DeadNeurons}
	for i := range x.Matrices {
		m := newTensorStatistics(&x.Matrices[i].Stats)
		switch ffnPart(roleOfName(r, x.Matrices[i].Name)) {
		case "gate":
			s.Gate = m
		case "up":
			s.Up = m
		case "down":
			s.Down = m
		}
	}
	if x.Nearest >= 0 {
		s.Nearest = &NearestExpert{x.Nearest, x.Cosine, x.StandardError}
	}
	return s
}

// roleOfName returns the role of a tensor of the file.
func roleOfName(r *format.Reader, name string) format.Role {
	_, t, ok := r.Lookup(name)
	if !ok {
		return format.RoleNone
	}
	return t.Role
}
