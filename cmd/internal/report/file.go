package report

import (
	"context"
	"fmt"

	"st/format"
	"st/runtime"
	"st/runtime/experts"
	"st/tokenizer"
)

// File is what is in an .stm file.
type File struct {
	File          string            `json:"file"`
	FileBytes     int64             `json:"file_bytes"`
	FormatVersion int               `json:"format_version"`
	Architecture  format.Config     `json:"architecture"`
	Parameters    Parameters        `json:"parameters"`
	BitsPerWeight float64           `json:"bits_per_weight"`
	Types         []TypeSize        `json:"types"`
	Sizes         []ClassSize       `json:"sizes"`
	Token         TokenReads        `json:"read_per_token"`
	Memory        *Memory           `json:"memory"`
	KVCache       []KVCache         `json:"kv_cache"`
	Tokenizer     *Tokenizer        `json:"tokenizer"`
	ChatTemplate  bool              `json:"chat_template"`
	Generation    format.Generation `json:"generation"`
	Provenance    format.Provenance `json:"provenance"`
	Checked       []string          `json:"checked"`
	ExpertUses    *ExpertUses       `json:"expert_uses,omitempty"`

	Tensors   []Tensor      `json:"tensors,omitempty"`
	Layers    []Layer       `json:"layers,omitempty"`
	Experts   []Expert      `json:"experts,omitempty"`
	Verify    *Verification `json:"verify,omitempty"`
	CachePlan *CachePlan    `json:"cache_plan,omitempty"`
}

// Tokenizer is what a file's tokenizer is. Kind is for people: byte-level BPE, BPE with byte fallback.
type Tokenizer struct {
	Kind      string         `json:"kind"`
	VocabSize int            `json:"vocab_size"`
	AddBOS    bool           `json:"add_bos"`
	Special   []SpecialToken `json:"special_tokens"`
}

// SpecialToken is a token that stands for no text.
type SpecialToken struct {
	ID    int32  `json:"id"`
	Token string `json:"token"`
}

// Parts says which parts of a report are asked for besides the summary, which the header tells. Layers and Experts read the weights.
type Parts struct {
	Tensors, Layers, Experts bool
	Layer                    int // the only layer that is asked for; −1: all
}

// Options are what a report needs to know of the program that makes it.
type Options struct {
	// Program returns the bytes of memory that a program takes which runs a model, besides the model and its tokenizer; nil: not known. The memory that a
	// model runs in includes them.
	Program func() int64
	// Progress is called while weights are read; nil: nobody watches.
	Progress func(done, total int64)
	// Measuring is told what a cache plan measures, and how much of that is done, of how much; total 0: that is not known. nil: nobody watches.
	Measuring func(what string, done, total int64)
	// Disk is what a cache plan assumes of the disk; what is 0 is measured.
	Disk experts.Disk
	// DiskCache is the directory in which it is remembered how disks are to be read: see [st/runtime.Options].
	DiskCache string
	// ExpertCache is the directory in which it is remembered which experts models use: see [st/runtime.Options].
	ExpertCache string
	// Memory is the budget that a cache plan is for; 0: budgets from the smallest to the largest.
	Memory int64
}

// other returns what a program that runs a model takes besides the engine, as far as that is known here.
func (o *Options) other(r *format.Reader) int64 {
	if o.Program == nil {
		return 0
	}
	return o.Program() + runtime.TokenizerMemory(r)
}

// Read describes a file.
func Read(ctx context.Context, r *format.Reader, parts Parts, opts Options) (*File, error) {
	f := &File{
		File: r.Path(), FileBytes: r.Size(), FormatVersion: r.Version(), Architecture: r.Config,
		ChatTemplate: r.ChatTemplate != "", Generation: r.Generation, Provenance: r.Provenance,
		KVCache: kvCaches(&r.Config), Checked: checkedParts(r), ExpertUses: expertUses(r, opts.ExpertCache),
	}
	f.addSizes(r)
	f.addReads(r)
	f.Memory = newMemory(r, opts.other(r)) // before anything is loaded: what that takes is no part of the program
	tok, err := loadTokenizer(r)
	if err != nil {
		return nil, err
	}
	if tok != nil {
		f.Tokenizer = describeTokenizer(tok)
	}
	if parts.Tensors {
		f.Tensors = tensorsOf(r, parts.Layer)
	}
	if parts.Layers {
		f.Layers = layersOf(r, parts.Layer)
	}
	if parts.Experts {
		f.Experts = expertsOf(r, parts.Layer)
	}
	if parts.Layers || parts.Experts {
		if err := f.addStatistics(ctx, r, parts.Layer, opts.Progress); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// loadTokenizer returns a file's tokenizer; nil if it has none.
func loadTokenizer(r *format.Reader) (*tokenizer.Tokenizer, error) {
	if len(r.Tokenizer) == 0 {
		return nil, nil
	}
	tok, err := tokenizer.Load(r.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path(), err)
	}
	return tok, nil
}

func describeTokenizer(t *tokenizer.Tokenizer) *Tokenizer {
	d := &Tokenizer{Kind: t.Kind(), VocabSize: t.VocabSize(), AddBOS: t.AddBOS()}
	for _, s := range t.SpecialTokens() {
		d.Special = append(d.Special, SpecialToken{s.ID, s.Content})
	}
	return d
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
