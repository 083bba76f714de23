package report

import (
	"context"
	"strings"

	"st/format"
	"st/quant"
)

// Published tells how published models would run here. Available and Bandwidth are what this machine has: bytes of memory, 0 if not known, and bytes
// per second that it reads memory with.
type Published struct {
	Available int64            `json:"available_bytes"`
	Bandwidth float64          `json:"read_bandwidth_bytes_per_second"`
	Models    []PublishedModel `json:"models"`
}

// PublishedModel is a model that st can pull.
type PublishedModel struct {
	Name       string `json:"name"`
	Parameters int64  `json:"parameters"`
	Active     int64  `json:"active_per_token"` // with the head
	// Gated says that the terms on the model's page have to be accepted before it can be pulled.
	Gated bool          `json:"gated"`
	Types []Expectation `json:"types"`
}

// Expectation is how a model of some type would run.
type Expectation struct {
	Type   string `json:"type"`
	File   int64  `json:"file_bytes"`
	Needed int64  `json:"needed_bytes"` // of memory for all of it, with a context of 4096 tokens
	Fits   bool   `json:"fits"`
	Read   int64  `json:"read_per_token_bytes"` // without inactive neurons
	// Speed is Bandwidth over Read: what memory allows at most if the model fits.
	Speed float64 `json:"tokens_per_second_at_most"`
}

// published are the shapes of models, by their config.json on Hugging Face.
var published = []struct {
	name  string
	shape format.Config
}{
	{"Tiiny/SmallThinker-4BA0.6B-Instruct", format.Config{Layers: 32, Hidden: 1536, Heads: 12, KVHeads: 2, HeadDim: 128, Vocab: 151936, TiedEmbeddings: true,
		Activation: format.ReLU, MoE: &format.MoE{Experts: 32, ExpertsPerToken: 4, ExpertFFN: 768}}},
	{"Tiiny/SmallThinker-21BA3B-Instruct", format.Config{Layers: 52, Hidden: 2560, Heads: 28, KVHeads: 4, HeadDim: 128, Vocab: 151936,
		Activation: format.ReLU, MoE: &format.MoE{Experts: 64, ExpertsPerToken: 6, ExpertFFN: 768}}},
	{"Qwen/Qwen3-30B-A3B-Instruct-2507", format.Config{Layers: 48, Hidden: 2048, Heads: 32, KVHeads: 4, HeadDim: 128, Vocab: 151936,
		Activation: format.SiLU, MoE: &format.MoE{Experts: 128, ExpertsPerToken: 8, ExpertFFN: 768}}},
	{"Qwen/Qwen3-4B-Instruct-2507", format.Config{Layers: 36, Hidden: 2560, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 151936, TiedEmbeddings: true,
		Activation: format.SiLU, FFN: 9728}},
	{"microsoft/phi-4", format.Config{Architecture: "phi3", Layers: 40, Hidden: 5120, Heads: 40, KVHeads: 10, HeadDim: 128, Vocab: 100352, Activation: format.SiLU, FFN: 17920}},
	{"microsoft/Phi-4-mini-instruct", format.Config{Architecture: "phi3", Layers: 32, Hidden: 3072, Heads: 24, KVHeads: 8, HeadDim: 128, Vocab: 200064, TiedEmbeddings: true,
		Activation: format.SiLU, FFN: 8192}},
	{"google/gemma-3-12b-it", gemma3(format.Config{Layers: 48, Hidden: 3840, Heads: 16, KVHeads: 8, HeadDim: 256, Vocab: 262208, FFN: 15360, SlidingWindow: 1024})},
	{"google/gemma-3-4b-it", gemma3(format.Config{Layers: 34, Hidden: 2560, Heads: 8, KVHeads: 4, HeadDim: 256, Vocab: 262208, FFN: 10240, SlidingWindow: 1024})},
	{"google/gemma-3-1b-it", gemma3(format.Config{Layers: 26, Hidden: 1152, Heads: 4, KVHeads: 1, HeadDim: 256, Vocab: 262144, FFN: 6912, SlidingWindow: 512})},
	{"Qwen/Qwen3-0.6B", format.Config{Layers: 28, Hidden: 1024, Heads: 16, KVHeads: 8, HeadDim: 128, Vocab: 151936, TiedEmbeddings: true,
		Activation: format.SiLU, FFN: 3072}},
}

// gemma3 adds what all Gemma 3 models have: every sixth layer attends to all positions, the others slide.
func gemma3(c format.Config) format.Config {
	c.Architecture, c.TiedEmbeddings, c.QKNorm, c.Activation = "gemma3", true, true, format.GELU
	for l := range c.Layers {
		c.SlidingLayout = append(c.SlidingLayout, l%6 != 5)
	}
	return c
}

// What the shapes do not tell.
const (
	metadataBytes = 4 << 20  // of a tokenizer with so many tokens
	processBytes  = 64 << 20 // of the program, its buffers and the tokenizer
	// activeNeurons is the share of a ReGLU expert's neurons that are active, at most, by the authors' median over layers.
	activeNeurons = 0.4
)

// ReadPublished measures the machine and tells how models would run on it.
func ReadPublished(ctx context.Context) (*Published, error) {
	speed, _, err := newMeasurement(nil).memorySpeed(ctx)
	if err != nil {
		return nil, err
	}
	p := &Published{Bandwidth: speed}
	p.Available, _ = AvailableMemory()
	for _, m := range published {
		s := newShape(&m.shape)
		pm := PublishedModel{Name: m.name, Parameters: s.total(), Active: s.active(), Gated: strings.HasPrefix(m.name, "google/")}
		for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
			e := s.expect(typ)
			e.Fits = p.Available >= e.Needed
			e.Speed = p.Bandwidth / float64(e.Read)
			pm.Types = append(pm.Types, e)
		}
		p.Models = append(p.Models, pm)
	}
	return p, nil
}

// Best returns the index of the largest model that fits in memory and reads fast, with its first type, and that anyone may pull; −1: none is.
func (p *Published) Best() int {
	best := -1
	for i, m := range p.Models {
		t := m.Types[0]
		fast := t.Speed >= fastEnough
		if t.Fits && fast && !m.Gated && (best < 0 || m.Parameters > p.Models[best].Parameters) {
			best = i
		}
	}
	return best
}

// fastEnough is about how fast people read, in tokens per second.
const fastEnough = 5

// shape counts the weights of a model.
type shape struct {
	c                                       *format.Config
	table, attention, routers, experts, ffn int64
	norms                                   int64
}

func newShape(c *format.Config) shape {
	layers, hidden := int64(c.Layers), int64(c.Hidden)
	s := shape{c: c, table: int64(c.Vocab) * hidden, attention: layers * hidden * int64(c.HeadDim) * 2 * int64(c.Heads+c.KVHeads), norms: (2*layers + 1) * hidden}
	if c.Architecture == "gemma3" { // behind attention and the feed-forward network, too
		s.norms += 2 * layers * hidden
	}
	if c.QKNorm {
		s.norms += 2 * layers * int64(c.HeadDim)
	}
	for l := range c.Layers {
		if c.HasExperts(l) {
			s.routers += int64(c.MoE.Experts) * hidden
			s.experts += int64(c.MoE.Experts) * 3 * hidden * int64(c.MoE.ExpertFFN)
		} else {
			s.ffn += 3 * hidden * int64(c.FFN)
		}
	}
	return s
}

// total returns the number of weights.
func (s *shape) total() int64 {
	n := s.table + s.attention + s.routers + s.experts + s.ffn + s.norms
	if !s.c.TiedEmbeddings {
		n += s.table
	}
	return n
}

// positions returns how many positions the KV caches of all layers hold at a context.
func (s *shape) positions(context int) (n int) {
	for l := range s.c.Layers {
		if s.c.SlidingLayout != nil && s.c.SlidingLayout[l] {
			n += min(s.c.SlidingWindow, context)
		} else {
			n += context
		}
	}
	return n
}

// active returns the weights that a token uses.
func (s *shape) active() int64 {
	return s.table + s.attention + s.routers + s.ffn + s.norms + chosen(s.c, s.experts)
}

// expect computes sizes of a file whose matrices have a type, as the recipe of st convert has it.
func (s *shape) expect(typ quant.Type) Expectation {
	of := func(weights int64, t quant.Type) int64 { return int64(float64(weights) * t.Bits() / 8) }
	embed := typ
	switch typ {
	case quant.Q4_0:
		embed = quant.Q8_0
	case quant.Q8_0:
		embed = quant.F16
	}
	lookup := of(s.table, embed) // of rows, which are read from the file
	if s.c.TiedEmbeddings && embed == typ {
		lookup = 0
	}
	attention := typ
	if s.c.Architecture == "phi3" && typ == quant.Q8_0 {
		attention = quant.F16
	}
	dense := of(s.attention, attention) + of(s.ffn+s.table, typ) + of(s.routers+s.norms, quant.F32)
	experts := of(s.experts, typ)
	read := float64(chosen(s.c, experts))
	if s.c.Activation == format.ReLU {
		read *= (1 + 2*activeNeurons) / 3 // the gates are computed, of up and down what is active
	}
	kv := int64(s.positions(planContext)) * int64(s.c.KVHeads) * int64(s.c.HeadDim) * 2 * 2 // f16
	return Expectation{
		Type: typ.String(), File: lookup + dense + experts + metadataBytes, Needed: dense + experts + kv + processBytes, Read: dense + int64(read),
	}
}
