package convert_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

func smallPhi3() *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Arch: "phi3", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, DenseFFN: 96, Vocab: 40, Context: 64, Untied: true,
	}, 1)
}

// A file has the parts of fused tensors, each under its role. Attention is finer than the rest of a Q8_0 file, unless the user says otherwise.
func TestPhi3Checkpoint(t *testing.T) {
	m := smallPhi3()
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	for l := range 2 {
		qkv := m.Tensor(fmt.Sprintf("model.layers.%d.self_attn.qkv_proj.weight", l)).Data
		gateUp := m.Tensor(fmt.Sprintf("model.layers.%d.mlp.gate_up_proj.weight", l)).Data
		for _, part := range []struct {
			role format.Role
			want []float32
		}{
			{format.RoleQuery, qkv[:64*64]}, {format.RoleKey, qkv[64*64 : 96*64]}, {format.RoleValue, qkv[96*64:]},
			{format.RoleGate, gateUp[:96*64]}, {format.RoleUp, gateUp[96*64:]},
		} {
			rec, x, ok := r.Role(part.role, l)
			if !ok || !slices.Equal(x.Shape(), r.Config.Shape(part.role, l, false)) {
				t.Fatalf("layer %d has no %s, or of another shape", l, part.role)
			}
			record := make([]byte, rec.Length)
			if err := r.ReadRecord(rec, record); err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(part.want))
			for i := range x.Rows {
				x.DecodeRow(got[i*x.Cols:][:x.Cols], record, i)
			}
			if !slices.Equal(got, part.want) {
				t.Errorf("layer %d: %s has other weights", l, part.role)
			}
		}
	}
	q8 := quant.Q8_0
	for _, tt := range []struct {
		recipe convert.Recipe
		want   quant.Type
	}{
		{convert.Recipe{Type: quant.Q8_0}, quant.F16}, {convert.Recipe{Type: quant.Q8_0, Attention: &q8}, quant.Q8_0},
		{convert.Recipe{Type: quant.Q4_0}, quant.Q4_0}, {convert.Recipe{Type: quant.BF16}, quant.BF16},
	} {
		_, r := convertTo(t, dir, convert.Options{Recipe: tt.recipe})
		if _, x, _ := r.Role(format.RoleKey, 0); x.Type != tt.want {
			t.Errorf("%v: keys are %s, want %s", tt.recipe, x.Type, tt.want)
		}
	}
}

// A fused tensor that is missing or of another shape is told by the name and the shape that checkpoints have.
func TestPhi3WrongTensors(t *testing.T) {
	for _, tt := range []struct {
		edit func(m *modeltest.Model)
		want string
	}{
		{func(m *modeltest.Model) { m.Remove("model.layers.1.self_attn.qkv_proj.weight") }, "tensor model.layers.1.self_attn.qkv_proj.weight is missing"},
		{func(m *modeltest.Model) {
			x := m.Tensor("model.layers.0.mlp.gate_up_proj.weight")
			x.Shape, x.Data = []int{96, 64}, x.Data[:96*64]
		}, "tensor model.layers.0.mlp.gate_up_proj.weight has shape [96 64]"},
		{func(m *modeltest.Model) {
			x := m.Tensor("model.layers.0.mlp.gate_up_proj.weight")
			x.Shape, x.Data = []int{96, 64}, x.Data[:96*64]
		}, "asks for [192 64]"},
	} {
		m := smallPhi3()
		tt.edit(m)
		dir := t.TempDir()
		if err := m.Write(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{}); !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("error is %v, want %q", err, tt.want)
		}
	}
}

// Every spelling of a config.json, with the defaults of Transformers.
func TestPhi3Config(t *testing.T) {
	type fields = map[string]any
	short, long := slices.Repeat([]float64{1.5}, 16), slices.Repeat([]float64{3}, 16)
	longRoPE := func(typ string, key string, set fields) fields {
		rope := fields{key: typ, "short_factor": short, "long_factor": long}
		for k, v := range set {
			rope[k] = v
		}
		return rope
	}
	scaling := func(original int, attention float64) func(*format.Config) {
		return func(c *format.Config) {
			c.RoPEScaling = &format.RoPEScaling{Type: format.LongRoPE, OriginalContext: original, AttentionFactor: attention, ShortFactors: short, LongFactors: long}
		}
	}
	attention := math.Sqrt(1 + math.Log(4)/math.Log(16))
	for _, tt := range []struct {
		name string
		set  fields
		want func(*format.Config)
	}{
		{"Transformers 4", fields{"rope_parameters": nil, "rope_theta": 250000.0, "rope_scaling": json.RawMessage("null"), "attention_bias": false},
			func(c *format.Config) { c.RoPETheta = 250000 }},
		{"defaults", fields{"rope_parameters": nil, "rms_norm_eps": nil, "hidden_act": nil, "num_key_value_heads": nil, "tie_word_embeddings": nil, "sliding_window": nil},
			func(c *format.Config) { c.RMSNormEps, c.KVHeads = 1e-5, 2 }},
		{"a window", fields{"sliding_window": 2047}, func(c *format.Config) { c.SlidingLayout, c.SlidingWindow = []bool{true, true}, 2047 }},
		{"partial rotary", fields{"rope_parameters": fields{"rope_type": "default", "partial_rotary_factor": 0.75}}, func(c *format.Config) { c.RotaryDim = 24 }},
		{"partial rotary of Transformers 4", fields{"rope_parameters": nil, "partial_rotary_factor": 0.5}, func(c *format.Config) { c.RotaryDim = 16 }},
		{"head_dim", fields{"head_dim": 24}, func(c *format.Config) { c.HeadDim = 24 }},
		{"longrope", fields{"original_max_position_embeddings": 16, "rope_parameters": longRoPE("longrope", "rope_type", fields{"original_max_position_embeddings": 16})},
			scaling(16, attention)},
		{"su", fields{"original_max_position_embeddings": 16, "rope_parameters": nil, "rope_scaling": longRoPE("su", "type", nil)}, scaling(16, attention)},
		{"yarn is longrope", fields{"original_max_position_embeddings": 16, "rope_parameters": nil, "rope_scaling": longRoPE("yarn", "type", nil)}, scaling(16, attention)},
		{"longrope, no original context", fields{"original_max_position_embeddings": nil, "rope_parameters": longRoPE("longrope", "rope_type", nil)}, scaling(4096, 1)},
		{"longrope, a factor", fields{"original_max_position_embeddings": 16, "rope_parameters": longRoPE("longrope", "rope_type", fields{"factor": 2.0})},
			scaling(16, math.Sqrt(1+math.Log(2)/math.Log(16)))},
		{"longrope, an attention factor", fields{"original_max_position_embeddings": 16, "rope_parameters": longRoPE("longrope", "rope_type", fields{"attention_factor": 1.25})},
			scaling(16, 1.25)},
		{"dynamic, up to the context", fields{"rope_parameters": fields{"rope_type": "dynamic", "factor": 2.0}}, func(*format.Config) {}},
		{"yarn without factors of its own", fields{"original_max_position_embeddings": nil, "rope_parameters": fields{
			"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "partial_rotary_factor": 0.5}},
			func(c *format.Config) {
				c.RotaryDim = 16
				c.RoPEScaling = &format.RoPEScaling{
					Type: format.YaRN, Factor: 4, OriginalContext: 16, BetaFast: 32, BetaSlow: 1, AttentionFactor: 0.1*math.Log(4) + 1, Truncate: true}
			}},
		{"linear", fields{"rope_parameters": fields{"rope_type": "linear", "factor": 2.0}},
			func(c *format.Config) {
				c.RoPEScaling = &format.RoPEScaling{Type: format.Linear, Factor: 2, AttentionFactor: 1}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkConfig(t, smallPhi3(), tt.set, func(c *format.Config) {
				if c.Architecture != "phi3" || c.Activation != format.SiLU || c.FFN != 96 {
					t.Errorf("the config is %+v", *c)
				}
				tt.want(c)
			})
		})
	}
}

// What would be computed wrongly is refused by name.
func TestPhi3Refused(t *testing.T) {
	type fields = map[string]any
	ones := slices.Repeat([]float64{1}, 16)
	for _, tt := range []struct {
		set  fields
		want string
	}{
		{fields{"attention_bias": true}, "attention_bias is true"},
		{fields{"mlp_bias": true}, "mlp_bias is true"},
		{fields{"lm_head_bias": true}, "lm_head_bias is true"},
		{fields{"hidden_act": "gelu"}, `hidden_act is "gelu"`},
		{fields{"sliding_window": 0}, "sliding_window is 0"},
		{fields{"intermediate_size": nil}, "intermediate_size is missing"},
		{fields{"partial_rotary_factor": 0.5}, "they must be the same"},
		{fields{"rope_parameters": fields{"partial_rotary_factor": 1.5}}, "partial_rotary_factor is 1.5"},
		{fields{"rope_parameters": fields{"partial_rotary_factor": 0.6}}, "19 of the 32 dimensions"},
		{fields{"rope_parameters": fields{"rope_type": "ntk", "factor": 2.0}}, `rope_parameters asks for "ntk"`},
		{fields{"rope_parameters": fields{"rope_type": "linear"}}, "rope_parameters.factor is missing"},
		{fields{"rope_parameters": fields{"rope_type": "longrope", "short_factor": []float64{1}}}, "short_factor has 1 entries: there must be 16"},
		{fields{"rope_parameters": fields{"rope_type": "longrope", "short_factor": ones, "long_factor": slices.Repeat([]float64{0}, 16)}},
			"long_factor: entry 0 is 0"},
		{fields{"original_max_position_embeddings": 0, "rope_parameters": fields{"rope_type": "longrope"}}, "original_max_position_embeddings is 0"},
		{fields{"original_max_position_embeddings": 1, "rope_parameters": fields{"rope_type": "longrope", "short_factor": ones, "long_factor": ones}},
			"original_max_position_embeddings is 1: it must be 2 or more"},
	} {
		checkRefused(t, smallPhi3(), tt.set, tt.want)
	}
}
