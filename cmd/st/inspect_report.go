package main

import (
	"cmp"
	"runtime"
	"slices"
	"strings"

	"st/format"
	"st/quant"
	"st/tokenizer"
)

// fileReport is what st inspect --json prints.
type fileReport struct {
	File          string            `json:"file"`
	FileBytes     int64             `json:"file_bytes"`
	FormatVersion int               `json:"format_version"`
	Architecture  format.Config     `json:"architecture"`
	Parameters    parameterReport   `json:"parameters"`
	BitsPerWeight float64           `json:"bits_per_weight"`
	Types         []typeReport      `json:"types"`
	Sizes         []sizeReport      `json:"sizes"`
	Token         tokenReport       `json:"read_per_token"`
	Memory        *memoryReport     `json:"memory"`
	KVCache       []kvReport        `json:"kv_cache"`
	Tokenizer     *tokenizerReport  `json:"tokenizer"`
	ChatTemplate  bool              `json:"chat_template"`
	Generation    format.Generation `json:"generation"`
	Provenance    format.Provenance `json:"provenance"`
	Checked       []string          `json:"checked"`

	Tensors   []tensorReport `json:"tensors,omitempty"`
	Layers    []layerReport  `json:"layers,omitempty"`
	Experts   []expertReport `json:"experts,omitempty"`
	Verify    *verifyReport  `json:"verify,omitempty"`
	CachePlan *cacheReport   `json:"cache_plan,omitempty"`
}

type parameterReport struct {
	Total             int64 `json:"total"`
	ActivePerToken    int64 `json:"active_per_token"`
	ActiveWithoutHead int64 `json:"active_without_head"`
}

type typeReport struct {
	Type          string  `json:"type"`
	BitsPerWeight float64 `json:"bits_per_weight"`
	Tensors       int     `json:"tensors"`
	Parameters    int64   `json:"parameters"`
	Bytes         int64   `json:"bytes"`
}

type sizeReport struct {
	Class         string   `json:"class"`
	Bytes         int64    `json:"bytes"`
	Share         float64  `json:"share"`
	Parameters    int64    `json:"parameters,omitempty"`
	BitsPerWeight float64  `json:"bits_per_weight,omitempty"`
	Types         []string `json:"types,omitempty"`
}

type kvReport struct {
	Context int   `json:"context"`
	F32     int64 `json:"f32_bytes"`
	F16     int64 `json:"f16_bytes"`
	Q8      int64 `json:"q8_0_bytes,omitempty"`
}

type tokenizerReport struct {
	Kind      string               `json:"kind"`
	VocabSize int                  `json:"vocab_size"`
	AddBOS    bool                 `json:"add_bos"`
	Special   []specialTokenReport `json:"special_tokens"`
}

type specialTokenReport struct {
	ID    int32  `json:"id"`
	Token string `json:"token"`
}

// Tensors are grouped in classes by what they are for.
const (
	classEmbedding = "embedding"
	classAttention = "attention"
	classNorms     = "norms"
	classRouters   = "routers"
	classExperts   = "experts"
	classHead      = "lm_head"
	classOther     = "other"
	classMetadata  = "metadata" // header, directory, tokenizer, provenance, …
	classPadding   = "padding"
)

var classes = []string{classEmbedding, classAttention, classNorms, classRouters, classExperts, classHead, classOther,
	classMetadata, classPadding}

func tensorClass(rec *format.Record, name string) string {
	switch {
	case rec.IsExpert():
		return classExperts
	case name == "lm_head.weight":
		return classHead
	case name == "model.embed_tokens.weight":
		return classEmbedding
	case strings.Contains(name, "self_attn."):
		return classAttention
	case strings.HasSuffix(name, "router.weight"):
		return classRouters
	case strings.HasSuffix(name, "norm.weight"):
		return classNorms
	}
	return classOther
}

func newFileReport(r *format.Reader) (*fileReport, error) {
	report := &fileReport{
		File: r.Path(), FileBytes: r.Size(), FormatVersion: r.Version(), Architecture: r.Config,
		ChatTemplate: r.ChatTemplate != "", Generation: r.Generation, Provenance: r.Provenance,
		KVCache: kvReports(&r.Config), Checked: checkedParts(r),
	}
	report.addWeights(r)
	report.addReads(r)
	var t *tokenizer.Tokenizer
	if len(r.Tokenizer) > 0 {
		var err error
		if t, err = tokenizer.Load(r.Tokenizer); err != nil {
			return nil, err
		}
		report.addTokenizer(t)
	}
	// A model that runs has its tokenizer in memory, so its memory counts.
	report.Memory = newMemoryReport(r)
	runtime.KeepAlive(t)
	return report, nil
}

// checkedParts lists what Open compared with its checksum.
func checkedParts(r *format.Reader) []string {
	parts := []string{"header"}
	for _, s := range r.Sections() {
		if s.Checksum != 0 {
			parts = append(parts, s.Name)
		}
	}
	return parts
}

func (f *fileReport) addTokenizer(t *tokenizer.Tokenizer) {
	// Byte-level BPE is the one kind that the tokenizer package knows.
	f.Tokenizer = &tokenizerReport{Kind: "byte-level BPE", VocabSize: t.VocabSize(), AddBOS: t.AddBOS()}
	for _, s := range t.SpecialTokens() {
		f.Tokenizer.Special = append(f.Tokenizer.Special, specialTokenReport{s.ID, s.Content})
	}
}

// addWeights counts parameters and bytes.
func (f *fileReport) addWeights(r *format.Reader) {
	params, bytes := map[string]int64{}, map[string]int64{}
	classTypes := map[string][]string{}
	types := map[quant.Type]*typeReport{}
	for i := range r.Records() {
		rec := &r.Records()[i]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			class := tensorClass(rec, t.Name)
			params[class] += t.Params()
			bytes[class] += t.Bytes()
			classTypes[class] = appendNew(classTypes[class], t.Type.String())
			kind := types[t.Type]
			if kind == nil {
				kind = &typeReport{Type: t.Type.String(), BitsPerWeight: t.Type.Bits()}
				types[t.Type] = kind
			}
			kind.Tensors++
			kind.Parameters += t.Params()
			kind.Bytes += t.Bytes()
		}
	}
	var stored, storedBytes int64
	for _, kind := range types {
		f.Types = append(f.Types, *kind)
		stored, storedBytes = stored+kind.Parameters, storedBytes+kind.Bytes
	}
	f.BitsPerWeight = 8 * float64(storedBytes) / float64(stored)
	slices.SortFunc(f.Types, func(a, b typeReport) int { return cmp.Compare(b.Bytes, a.Bytes) })

	bytes[classMetadata] = r.Size()
	for _, s := range r.Sections() {
		if s.Name == "dense" || s.Name == "experts" {
			bytes[classMetadata] -= s.Length
		}
	}
	bytes[classPadding] = r.Size()
	for class, n := range bytes {
		if class != classPadding {
			bytes[classPadding] -= n
		}
	}
	for _, class := range classes {
		if n := bytes[class]; n > 0 {
			x := sizeReport{Class: class, Bytes: n, Share: float64(n) / float64(r.Size()), Parameters: params[class], Types: classTypes[class]}
			if x.Parameters > 0 {
				x.BitsPerWeight = 8 * float64(n) / float64(x.Parameters)
			}
			f.Sizes = append(f.Sizes, x)
		}
	}

	// Tied embeddings are one matrix of the model, also where the file holds it twice: as a table and as the head.
	c := &r.Config
	table := int64(c.Vocab) * int64(c.Hidden)
	head := table
	if !c.TiedEmbeddings {
		table += head
	}
	rest := params[classAttention] + params[classNorms] + params[classRouters] + params[classOther]
	f.Parameters.Total = table + rest + params[classExperts]
	f.Parameters.ActiveWithoutHead = rest + params[classExperts]/int64(c.MoE.Experts)*int64(c.MoE.ExpertsPerToken)
	f.Parameters.ActivePerToken = f.Parameters.ActiveWithoutHead + head
}

// kvContexts are the contexts that the KV cache's size is told for, besides the model's own.
var kvContexts = []int{4 << 10, 16 << 10, 32 << 10}

// kvReports computes the KV cache's size at some contexts and at the model's, which is the longest of them.
func kvReports(c *format.Config) []kvReport {
	var reports []kvReport
	for _, context := range append(slices.Clone(kvContexts), c.Context) {
		if context > c.Context || len(reports) > 0 && reports[len(reports)-1].Context == context {
			continue
		}
		positions := int64(0)
		for l := range c.Layers {
			if w := c.Window(l); w > 0 && w < context {
				positions += int64(w)
			} else {
				positions += int64(context)
			}
		}
		bytes := func(t quant.Type) int64 {
			if !t.Fits(c.HeadDim) {
				return 0
			}
			return 2 * positions * int64(c.KVHeads) * int64(t.RowBytes(c.HeadDim))
		}
		reports = append(reports, kvReport{context, bytes(quant.F32), bytes(quant.F16), bytes(quant.Q8_0)})
	}
	return reports
}
