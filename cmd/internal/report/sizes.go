package report

import (
	"cmp"
	"slices"

	"st/format"
	"st/quant"
)

// Parameters counts weights. A model with tied embeddings has one matrix for both ends, also where the file holds it twice: as a
// table and as the head.
type Parameters struct {
	Total             int64 `json:"total"`
	ActivePerToken    int64 `json:"active_per_token"`
	ActiveWithoutHead int64 `json:"active_without_head"`
}

// TypeSize is what a file holds in a number format.
type TypeSize struct {
	Type          string  `json:"type"`
	BitsPerWeight float64 `json:"bits_per_weight"`
	Tensors       int     `json:"tensors"`
	Parameters    int64   `json:"parameters"`
	Bytes         int64   `json:"bytes"`
}

// ClassSize is what a class takes of a file. Share is its bytes over the file's.
type ClassSize struct {
	Class         Class    `json:"class"`
	Bytes         int64    `json:"bytes"`
	Share         float64  `json:"share"`
	Parameters    int64    `json:"parameters,omitempty"`
	BitsPerWeight float64  `json:"bits_per_weight,omitempty"`
	Types         []string `json:"types,omitempty"`
}

// sums adds up tensors by class and by type.
type sums struct {
	classes map[Class]*ClassSize
	types   map[string]*TypeSize
}

func newSums() *sums { return &sums{map[Class]*ClassSize{}, map[string]*TypeSize{}} }

func (s *sums) add(class Class, typ string, params, bytes int64) {
	if s.classes[class] == nil {
		s.classes[class] = &ClassSize{Class: class}
	}
	c := s.classes[class]
	c.Parameters, c.Bytes, c.Types = c.Parameters+params, c.Bytes+bytes, appendNew(c.Types, typ)
	if s.types[typ] == nil {
		s.types[typ] = &TypeSize{Type: typ}
	}
	t := s.types[typ]
	t.Tensors, t.Parameters, t.Bytes = t.Tensors+1, t.Parameters+params, t.Bytes+bytes
}

// bits returns the bits of a weight.
func bits(bytes, params int64) float64 { return 8 * float64(bytes) / float64(max(1, params)) }

// byType returns the types, the largest first, and the bits of a weight of all.
func (s *sums) byType() (all []TypeSize, bitsPerWeight float64) {
	var params, bytes int64
	all = []TypeSize{}
	for _, t := range s.types {
		t.BitsPerWeight = bits(t.Bytes, t.Parameters)
		if known, err := quant.ParseType(t.Type); err == nil {
			t.BitsPerWeight = known.Bits() // of rows that are not padded
		}
		all = append(all, *t)
		params, bytes = params+t.Parameters, bytes+t.Bytes
	}
	slices.SortFunc(all, func(a, b TypeSize) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type)) })
	return all, bits(bytes, params)
}

// byClass returns the classes in their order, as shares of a file's bytes.
func (s *sums) byClass(fileBytes int64) []ClassSize {
	all := []ClassSize{}
	for _, class := range Classes {
		c := s.classes[class]
		if c == nil || c.Bytes <= 0 {
			continue
		}
		c.Share = float64(c.Bytes) / float64(max(1, fileBytes))
		if c.Parameters > 0 {
			c.BitsPerWeight = bits(c.Bytes, c.Parameters)
		}
		all = append(all, *c)
	}
	return all
}

// params returns the weights of a class.
func (s *sums) params(c Class) int64 {
	if s.classes[c] == nil {
		return 0
	}
	return s.classes[c].Parameters
}

// addSizes counts parameters and bytes.
func (f *File) addSizes(r *format.Reader) {
	s := newSums()
	for i := range r.Records() {
		rec := &r.Records()[i]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			s.add(classOf(t.Role, rec.IsExpert()), t.Type.String(), t.Params(), t.Bytes())
		}
	}
	f.Types, f.BitsPerWeight = s.byType()

	metadata, padding := &ClassSize{Class: Metadata, Bytes: r.Size()}, &ClassSize{Class: Padding, Bytes: r.Size()}
	for _, section := range r.Sections() {
		if section.Name == "dense" || section.Name == "experts" {
			metadata.Bytes -= section.Length
		}
	}
	s.classes[Metadata] = metadata
	for _, c := range s.classes {
		padding.Bytes -= c.Bytes
	}
	s.classes[Padding] = padding
	f.Sizes = s.byClass(r.Size())

	c := &r.Config
	table := int64(c.Vocab) * int64(c.Hidden)
	head := table
	if !c.TiedEmbeddings {
		table += head
	}
	rest := s.params(Attention) + s.params(Residual) + s.params(Norms) + s.params(Routers) + s.params(DenseFFN) + s.params(Other)
	f.Parameters.Total = table + s.params(PerLayer) + rest + s.params(Experts)
	f.Parameters.ActiveWithoutHead = rest + chosen(c, s.params(Experts))
	if p := c.PerLayerInput; p != nil {
		f.Parameters.ActiveWithoutHead += int64(c.Layers * p.Size)
	}
	f.Parameters.ActivePerToken = f.Parameters.ActiveWithoutHead + head
}

// chosen returns what a token uses of something that all experts have together.
func chosen(c *format.Config, all int64) int64 {
	if c.MoE == nil {
		return 0
	}
	return all / int64(c.MoE.Experts) * int64(c.MoE.ExpertsPerToken)
}

// TokenReads is what one generated token reads of the weights if no neuron is skipped.
type TokenReads struct {
	Bytes   int64        `json:"bytes"`
	Dense   int64        `json:"dense_bytes"`
	Experts int64        `json:"expert_bytes"`
	Parts   []ClassBytes `json:"parts"`
}

// ClassBytes is what is read of a class.
type ClassBytes struct {
	Class Class `json:"class"`
	Bytes int64 `json:"bytes"`
}

// addReads computes what a token reads: every dense weight, of the embeddings one row unless they are the head too, of those of the layers one row, and
// the experts that it chooses in every layer.
func (f *File) addReads(r *format.Reader) {
	bytes := map[Class]int64{}
	ofLayer := map[int]int64{} // experts
	embeddingRow := int64(0)
	for i := range r.Records() {
		rec := &r.Records()[i]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			switch class := classOf(t.Role, rec.IsExpert()); class {
			case Experts:
				ofLayer[rec.Layer] += t.Bytes()
			case PerLayer:
				bytes[class] += int64(t.Type.RowBytes(t.Cols))
			case Embedding:
				embeddingRow = int64(t.Type.RowBytes(t.Cols))
				bytes[class] += t.Bytes()
			case Predictor: // is for those who ask for fewer rows of the head
			default:
				bytes[class] += t.Bytes()
			}
		}
	}
	if bytes[Head] > 0 {
		bytes[Embedding] = embeddingRow
	}
	for _, n := range ofLayer {
		bytes[Experts] += chosen(&r.Config, n)
	}
	f.Token = TokenReads{Experts: bytes[Experts], Parts: []ClassBytes{}}
	for _, class := range Classes {
		if n := bytes[class]; n > 0 {
			f.Token.Parts = append(f.Token.Parts, ClassBytes{class, n})
			f.Token.Bytes += n
		}
	}
	f.Token.Dense = f.Token.Bytes - f.Token.Experts
}
