package report

import "st/format"

// Tensor is where a tensor lies in a file. Layer and Expert are −1 if it belongs to none.
type Tensor struct {
	Name       string `json:"name"`
	Shape      []int  `json:"shape"`
	Type       string `json:"type"`
	Layout     string `json:"layout"`
	Transposed bool   `json:"transposed"`
	Bytes      int64  `json:"bytes"`
	Offset     int64  `json:"offset"`
	Layer      int    `json:"layer"`
	Expert     int    `json:"expert"`
}

// Layer is what a layer is. Position is "rope" or "nope"; a Window of 0 is none. A layer has either experts or a dense feed-forward
// network.
type Layer struct {
	Layer          int      `json:"layer"`
	Position       string   `json:"position"`
	Window         int      `json:"window"`
	AttentionBytes int64    `json:"attention_bytes"`
	ExpertsBytes   int64    `json:"experts_bytes"`
	FFNBytes       int64    `json:"ffn_bytes,omitempty"`
	AttentionTypes []string `json:"attention_types"`
	ExpertTypes    []string `json:"expert_types"`
	FFNTypes       []string `json:"ffn_types,omitempty"`

	Statistics *LayerStatistics `json:"statistics"`
}

// Expert is where an expert lies in a file, and the types of gate, up and down.
type Expert struct {
	Layer  int               `json:"layer"`
	Expert int               `json:"expert"`
	Offset int64             `json:"offset"`
	Bytes  int64             `json:"bytes"`
	Types  map[string]string `json:"types"`

	Statistics *ExpertStatistics `json:"statistics"`
}

// tensorsOf lists the tensors in file order, of one layer if that is not −1.
func tensorsOf(r *format.Reader, layer int) []Tensor {
	reports := []Tensor{}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if layer >= 0 && rec.Layer != layer {
			continue
		}
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			reports = append(reports, Tensor{t.Name, t.Shape(), t.Type.String(), t.Layout.String(), t.Transposed,
				t.Bytes(), rec.Offset + t.Offset, rec.Layer, rec.Expert})
		}
	}
	return reports
}

// layersOf lists the layers, or the one that is asked for.
func layersOf(r *format.Reader, layer int) []Layer {
	c := &r.Config
	reports := make([]Layer, c.Layers)
	for l := range reports {
		reports[l] = Layer{Layer: l, Position: "nope", Window: c.Window(l)}
		if c.RoPELayout[l] {
			reports[l].Position = "rope"
		}
	}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if rec.Layer < 0 || rec.Layer >= c.Layers {
			continue
		}
		l := &reports[rec.Layer]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			switch classOf(t.Role, rec.IsExpert()) {
			case Attention:
				l.AttentionBytes += t.Bytes()
				l.AttentionTypes = appendNew(l.AttentionTypes, t.Type.String())
			case DenseFFN:
				l.FFNBytes += t.Bytes()
				l.FFNTypes = appendNew(l.FFNTypes, t.Type.String())
			case Experts:
				l.ExpertsBytes += t.Bytes()
				l.ExpertTypes = appendNew(l.ExpertTypes, t.Type.String())
			}
		}
	}
	if layer >= 0 {
		return reports[layer : layer+1]
	}
	return reports
}

// expertsOf lists the experts in file order, of one layer if that is not −1.
func expertsOf(r *format.Reader, layer int) []Expert {
	reports := []Expert{}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if !rec.IsExpert() || layer >= 0 && rec.Layer != layer {
			continue
		}
		e := Expert{Layer: rec.Layer, Expert: rec.Expert, Offset: rec.Offset, Bytes: rec.Length, Types: map[string]string{}}
		for j := range rec.Tensors {
			e.Types[ffnPart(rec.Tensors[j].Role)] = rec.Tensors[j].Type.String()
		}
		reports = append(reports, e)
	}
	return reports
}
