package reporttest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"st/format"
	"st/quant"
)

// Dense returns a small model in the manner of Qwen3: two layers without experts, QK norm, SiLU, YaRN, a head of its own.
func Dense() format.Config {
	return format.Config{
		Architecture: "qwen3", Layers: 2, Hidden: 32, Heads: 2, KVHeads: 1, HeadDim: 32, Vocab: 48, Context: 8192, RMSNormEps: 1e-6, RoPETheta: 1e6,
		RoPELayout: []bool{true, true}, SlidingLayout: []bool{false, false}, QKNorm: true, Activation: format.SiLU, FFN: 64,
		RoPEScaling: &format.RoPEScaling{Type: format.YaRN, Factor: 4, OriginalContext: 2048, BetaFast: 32, BetaSlow: 1, AttentionFactor: 1.14},
	}
}

// Mixed returns one in the manner of Qwen3-MoE: four layers, of which the first and the third have no experts.
func Mixed() format.Config {
	c := Dense()
	c.Architecture, c.Layers, c.RoPEScaling, c.TiedEmbeddings = "qwen3moe", 4, nil, true
	c.RoPELayout, c.SlidingLayout = []bool{true, true, true, true}, make([]bool, 4)
	c.MoE = &format.MoE{Experts: 4, ExpertsPerToken: 2, ExpertFFN: 32, RouterSoftmax: true, Layout: []bool{false, true, false, true}}
	return c
}

// Write writes a model in F32 and returns its path. The weights are the same each time.
func Write(t testing.TB, c format.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), c.Architecture+".stm")
	w, err := format.Create(path, format.Meta{Config: c}, records(&c), format.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range w.Records() {
		rec := &w.Records()[i]
		data := make([]byte, rec.Length)
		for j := range rec.Tensors {
			m := &rec.Tensors[j]
			weights := make([]float32, m.Params())
			for k := range weights {
				weights[k] = float32(random.NormFloat64()) / 8
			}
			m.EncodeUnits(data[m.Offset:], weights, new(quant.Encoder), make([]byte, m.Bytes()))
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(format.Provenance{Tool: "reporttest"}); err != nil {
		t.Fatal(err)
	}
	return path
}

// records describes the tensors: what belongs to no layer, the layers' dense part, and the experts, a record each.
func records(c *format.Config) []format.Record {
	var all []format.Record
	heads, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	dense := func(layer int, name string, role format.Role, rows, cols int) {
		m := matrix(name, role, rows, cols)
		m.Vector = rows == 1
		all = append(all, format.Record{Layer: layer, Expert: -1, Tensors: []format.Tensor{m}})
	}
	dense(-1, "model.embed_tokens.weight", format.RoleEmbedding, c.Vocab, c.Hidden)
	if !c.TiedEmbeddings {
		dense(-1, "lm_head.weight", format.RoleHead, c.Vocab, c.Hidden)
	}
	dense(-1, "model.norm.weight", format.RoleFinalNorm, 1, c.Hidden)
	for l := range c.Layers {
		name := func(s string) string { return fmt.Sprintf("model.layers.%d.%s.weight", l, s) }
		dense(l, name("input_layernorm"), format.RoleAttnNorm, 1, c.Hidden)
		dense(l, name("self_attn.q_proj"), format.RoleQuery, heads, c.Hidden)
		dense(l, name("self_attn.k_proj"), format.RoleKey, kv, c.Hidden)
		dense(l, name("self_attn.v_proj"), format.RoleValue, kv, c.Hidden)
		dense(l, name("self_attn.o_proj"), format.RoleAttnOutput, c.Hidden, heads)
		if c.QKNorm {
			dense(l, name("self_attn.q_norm"), format.RoleQueryNorm, 1, c.HeadDim)
			dense(l, name("self_attn.k_norm"), format.RoleKeyNorm, 1, c.HeadDim)
		}
		dense(l, name("post_attention_layernorm"), format.RoleFFNNorm, 1, c.Hidden)
		if c.HasExperts(l) {
			dense(l, name("mlp.gate"), format.RoleRouter, c.MoE.Experts, c.Hidden)
			continue
		}
		dense(l, name("mlp.gate_proj"), format.RoleGate, c.FFN, c.Hidden)
		dense(l, name("mlp.up_proj"), format.RoleUp, c.FFN, c.Hidden)
		dense(l, name("mlp.down_proj"), format.RoleDown, c.Hidden, c.FFN)
	}
	for _, l := range c.MoELayers() {
		for e := range c.MoE.Experts {
			rec := format.Record{Layer: l, Expert: e}
			at := int64(0)
			for _, part := range []struct {
				name       string
				role       format.Role
				rows, cols int
			}{
				{"gate_proj", format.RoleGate, c.MoE.ExpertFFN, c.Hidden},
				{"up_proj", format.RoleUp, c.MoE.ExpertFFN, c.Hidden},
				{"down_proj", format.RoleDown, c.Hidden, c.MoE.ExpertFFN},
			} {
				m := matrix(fmt.Sprintf("model.layers.%d.mlp.experts.%d.%s.weight", l, e, part.name), part.role, part.rows, part.cols)
				m.Offset = at
				at += m.Bytes()
				rec.Tensors = append(rec.Tensors, m)
			}
			all = append(all, rec)
		}
	}
	return all
}

// matrix is stored in rows, one after the other.
func matrix(name string, role format.Role, rows, cols int) format.Tensor {
	return format.Tensor{Name: name, Role: role, Type: quant.F32, Rows: rows, Cols: cols, Stride: int64(quant.F32.RowBytes(cols))}
}
