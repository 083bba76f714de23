package format

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// gemma is the config of a small model that has all parts of Gemma 3n.
func gemma() Config {
	return Config{
		Architecture: "gemma3n", Layers: 4, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, Vocab: 100, Context: 512, RMSNormEps: 1e-6, RoPETheta: 1e6,
		RoPELayout: []bool{true, true, true, true}, SlidingLayout: []bool{true, false, true, false}, SlidingWindow: 8,
		RoPEScaling: &RoPEScaling{Type: "linear", Factor: 8}, LocalRoPE: &LocalRoPE{Theta: 1e4}, QKNorm: true, AttentionScale: 1, EmbeddingScale: 8,
		LogitSoftcap: 30, TiedEmbeddings: true, Activation: GELU, FFN: 96, FFNLayout: []int{64, 96, 96, 96}, Sparsity: []float64{.95, 0, 0, 0},
		KVShared: 2, AltUp: &AltUp{Inputs: 4, CorrectScale: true}, LaurelRank: 16, PerLayerInput: &PerLayerInput{Size: 32, Vocab: 90},
	}
}

// A config survives JSON, and every wrong field is named.
func TestGemmaConfig(t *testing.T) {
	c := gemma()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("%s became %+v, %v", text, back, err)
	}
	for name, edit := range map[string]func(c *Config){
		"attention_scale":             func(c *Config) { c.AttentionScale = -1 },
		"embedding_scale":             func(c *Config) { c.EmbeddingScale = 1e300 },
		"logit_softcap":               func(c *Config) { c.LogitSoftcap = -30 },
		"local_rope.theta":            func(c *Config) { c.LocalRoPE.Theta = 0 },
		"local_rope.scaling.factor":   func(c *Config) { c.LocalRoPE.Scaling = &RoPEScaling{Type: "linear", Factor: .5} },
		"rope_scaling has type":       func(c *Config) { c.RoPEScaling = &RoPEScaling{Type: "dynamic", Factor: 2} },
		"ffn_layout has 3":            func(c *Config) { c.FFNLayout = c.FFNLayout[:3] },
		"ffn_layout: layer 1":         func(c *Config) { c.FFNLayout[1] = 97 },
		"activation_sparsity has 0":   func(c *Config) { c.Sparsity = []float64{} },
		"activation_sparsity of laye": func(c *Config) { c.Sparsity[3] = 1 },
		"kv_shared_layers is 4":       func(c *Config) { c.KVShared = 4 },
		"kv_shared_layers is 3":       func(c *Config) { c.KVShared = 3 },
		"laurel_rank":                 func(c *Config) { c.LaurelRank = -1 },
		"altup":                       func(c *Config) { c.AltUp.Active = 4 },
		"altup.coef_clip":             func(c *Config) { c.AltUp.CoefClip = -1 },
		"per_layer_input":             func(c *Config) { c.PerLayerInput.Size = maxWidth },
	} {
		c := gemma()
		edit(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// Layers that share keys and values do so with the last layer of their kind.
func TestKVLayer(t *testing.T) {
	c := Config{Layers: 6, SlidingLayout: []bool{true, true, false, true, true, false}, KVShared: 3}
	var got []int
	for l := range c.Layers {
		got = append(got, c.KVLayer(l))
	}
	if want := []int{0, 1, 2, 1, 1, 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("layers attend to %v, want %v", got, want)
	}
}
