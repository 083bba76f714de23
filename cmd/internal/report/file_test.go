package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/report/reporttest"
	"st/format"
	"st/runtime/engine"
)

func read(t *testing.T, path string) (*format.Reader, *report.File) {
	t.Helper()
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	f, err := report.Read(t.Context(), r, report.Parts{Tensors: true, Layers: true, Experts: true, Layer: -1}, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Division by zero would be a number that JSON does not have.
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("NaN")) {
		t.Errorf("%s", text)
	}
	return r, f
}

// A dense model has no experts: every weight is active, and a token reads all of them but the table of embeddings.
func TestDense(t *testing.T) {
	c := reporttest.Dense()
	r, f := read(t, reporttest.Write(t, c))
	const (
		table     = 48 * 32
		attention = 2 * (2*64*32 + 2*32*32)
		norms     = 2*(2*32+2*32) + 32
		ffn       = 2 * 3 * 64 * 32
	)
	want := report.Parameters{Total: 2*table + attention + norms + ffn, ActiveWithoutHead: attention + norms + ffn, ActivePerToken: table + attention + norms + ffn}
	if f.Parameters != want {
		t.Errorf("parameters are %+v, want %+v", f.Parameters, want)
	}
	if want := int64(4 * (32 + table + attention + norms + ffn)); f.Token.Bytes != want || f.Token.Experts != 0 || f.Token.Dense != want {
		t.Errorf("a token reads %+v, want %d bytes", f.Token, want)
	}
	sizes := map[report.Class]int64{}
	for _, s := range f.Sizes {
		sizes[s.Class] = s.Bytes
	}
	if sizes[report.DenseFFN] != 4*ffn || sizes[report.Norms] != 4*norms || sizes[report.Experts] != 0 || sizes[report.Other] != 0 {
		t.Errorf("sizes: %v", sizes)
	}
	if len(f.Memory.Budgets) != 3 || f.Memory.Budgets[2].Experts != 0 || f.Memory.Budgets[2].Layers != 2 || f.Memory.Budgets[2].Context != 4096 || f.Memory.Needed <= 0 {
		t.Errorf("memory: %+v", f.Memory)
	}
	// What reading takes is more than the half of a model that is so small.
	if half, all := f.Memory.Budgets[1], f.Memory.Budgets[2]; half.Memory != all.Memory || half.Layers != 2 {
		t.Errorf("half of the layers stay in %+v, all in %+v", half, all)
	}
	if f.Experts == nil || len(f.Experts) != 0 || len(f.Layers) != 2 {
		t.Errorf("%d experts, %d layers", len(f.Experts), len(f.Layers))
	}
	for _, l := range f.Layers {
		s := l.Statistics
		if l.FFNBytes != 4*ffn/2 || l.ExpertsBytes != 0 || s.Experts.Weights != 0 || s.Gate.Weights != 64*32 || s.Down.Weights != 64*32 {
			t.Errorf("layer %d: %+v", l.Layer, l)
		}
		// Weights are normally distributed with σ = 1/8.
		if all := s.FFN(); all.Weights != 3*64*32 || math.Abs(all.RMS-1./8) > 0.01 || all.MaxOverRMS < 3 {
			t.Errorf("layer %d: %+v", l.Layer, all)
		}
		if s.Norms.Weights != 4*32 {
			t.Errorf("layer %d: QK norms are not among the norms: %+v", l.Layer, s.Norms)
		}
	}
	p, err := report.PlanCache(t.Context(), r, "", report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if last := p.Plans[len(p.Plans)-1]; last.HitRate != 1 || last.BytesPerToken != 0 || last.Layers != f.Architecture.Layers || last.TokensPerSecond <= 0 {
		t.Errorf("cache plan: %+v", p)
	}
	if _, err := report.PlanCache(t.Context(), r, "model.trace", report.Options{}); !errors.Is(err, engine.ErrNoExperts) {
		t.Errorf("cache plan by a trace: %v", err)
	}
	if v, err := report.Verify(t.Context(), r, nil); err != nil || !v.OK || v.Records != len(r.Records()) {
		t.Errorf("%+v, %v", v, err)
	}
}

// Layers without experts in between count with all their weights; experts keep the numbers of their layers.
func TestMixed(t *testing.T) {
	c := reporttest.Mixed()
	r, f := read(t, reporttest.Write(t, c))
	const (
		table     = 48 * 32
		attention = 4 * (2*64*32 + 2*32*32)
		norms     = 4*(2*32+2*32) + 32
		routers   = 2 * 4 * 32
		ffn       = 2 * 3 * 64 * 32
		expert    = 3 * 32 * 32
	)
	rest := int64(attention + norms + routers + ffn)
	want := report.Parameters{Total: table + rest + 2*4*expert, ActiveWithoutHead: rest + 2*2*expert, ActivePerToken: table + rest + 2*2*expert}
	if f.Parameters != want {
		t.Errorf("parameters are %+v, want %+v", f.Parameters, want)
	}
	if f.Token.Experts != 4*2*2*expert {
		t.Errorf("a token reads %+v", f.Token)
	}
	if len(f.Memory.Budgets) != 3 || f.Memory.Budgets[2].Experts != 8 || f.Memory.Budgets[0].Experts != 8 { // all of them have room in a batch's memory
		t.Errorf("memory: %+v", f.Memory)
	}
	if len(f.Experts) != 8 || f.Experts[0].Layer != 1 || f.Experts[4].Layer != 3 || f.Experts[4].Types["gate"] != "f32" || f.Experts[4].Statistics.Gate.Weights != 32*32 {
		t.Errorf("experts: %+v", f.Experts)
	}
	for l, x := range f.Layers {
		if dense := l%2 == 0; dense != (x.FFNBytes > 0) || dense != (x.ExpertsBytes == 0) || dense != (len(x.Statistics.ExpertRMS) == 0) ||
			dense != (x.Statistics.Router.Weights == 0) || x.Statistics.FFN().Weights == 0 {
			t.Errorf("layer %d: %+v", l, x)
		}
	}
	if _, err := report.PlanCache(t.Context(), r, "", report.Options{}); !errors.Is(err, report.ErrNoUsage) {
		t.Errorf("cache plan: %v", err)
	}
}

// The memory that budgets leave for the program is asked for before the trace is read, which may take more.
func TestPlanWithoutTrace(t *testing.T) {
	r, _ := read(t, reporttest.Write(t, reporttest.Mixed()))
	trace := filepath.Join(t.TempDir(), "m.trace")
	text := `{"layers":2,"experts":4,"top_k":2}` + "\n" + strings.Repeat(`{"batch":0,"experts":[0,1,2,3]}`+"\n", 50)
	if err := os.WriteFile(trace, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := report.PlanCache(t.Context(), r, trace, report.Options{Program: func() int64 { return 10 << 20 }})
	if err != nil || p.Tokens != 50 || p.Generated != 18 || p.Experts != 8 || p.Plans[0].Memory < 10<<20 || p.MemoryRead == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	removed := func() int64 {
		os.Remove(trace)
		return 0
	}
	if _, err := report.PlanCache(t.Context(), r, trace, report.Options{Program: removed}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the trace was read before: %v", err)
	}
}

// A name is known in the spellings of checkpoints and of GGUF files.
func TestCheckpointClasses(t *testing.T) {
	for name, want := range map[string]report.Class{
		"model.layers.0.mlp.experts.3.gate_proj.weight":         report.Experts,
		"model.layers.0.block_sparse_moe.experts.3.up.weight":   report.Experts,
		"blk.0.ffn_up_exps.weight":                              report.Experts,
		"model.layers.0.mlp.gate.weight":                        report.Routers,
		"model.layers.0.block_sparse_moe.primary_router.weight": report.Routers,
		"blk.0.ffn_gate_inp.weight":                             report.Routers,
		"model.layers.0.mlp.gate_proj.weight":                   report.DenseFFN,
		"blk.0.ffn_gate.weight":                                 report.DenseFFN,
		"model.layers.0.self_attn.q_norm.weight":                report.Norms,
		"blk.0.ffn_norm.weight":                                 report.Norms,
		"output_norm.weight":                                    report.Norms,
		"model.layers.0.self_attn.q_proj.weight":                report.Attention,
		"blk.0.attn_output.weight":                              report.Attention,
		"model.embed_tokens.weight":                             report.Embedding,
		"token_embd.weight":                                     report.Embedding,
		"lm_head.weight":                                        report.Head,
		"output.weight":                                         report.Head,
		"model.vision_tower.patch.weight":                       report.Other,
		// of architectures that are not converted
		"model.layers.0.block_sparse_moe.gate.weight":           report.Routers, // Mixtral
		"model.layers.3.mlp.gate.e_score_correction_bias":       report.Routers, // DeepSeek
		"blk.3.exp_probs_b.bias":                                report.Routers,
		"model.layers.3.mlp.shared_experts.up_proj.weight":      report.DenseFFN,
		"layers.0.feed_forward.w1.weight":                       report.DenseFFN, // Llama as Meta publishes it
		"layers.0.attention.wq.weight":                          report.Attention,
		"layers.0.attention_norm.weight":                        report.Norms,
		"tok_embeddings.weight":                                 report.Embedding,
		"transformer.h.0.self_attention.query_key_value.weight": report.Attention, // Falcon
		"transformer.word_embeddings.weight":                    report.Embedding,
		"transformer.wte.weight":                                report.Embedding, // GPT-2
		"encoder.layer.0.attention.output.LayerNorm.weight":     report.Norms,     // BERT
	} {
		if got := report.ClassOfName(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
