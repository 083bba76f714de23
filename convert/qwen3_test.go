package convert_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

func smallQwen3() *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Arch: "qwen3", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, DenseFFN: 96, Vocab: 40, Context: 64, Untied: true,
	}, 1)
}

// smallQwen3MoE has layers without experts, and rows of down that Q4_0 cannot hold in the experts.
func smallQwen3MoE() *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Arch: "qwen3moe", Layers: 4, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 40, DenseFFN: 96,
		DenseLayers: []int{0}, Vocab: 40, Context: 64,
	}, 1)
}

// Experts that are fused, in either way, make the same file as those that are not.
func TestFusedExperts(t *testing.T) {
	var want []uint64
	for _, fuse := range []func(*modeltest.Model){
		func(*modeltest.Model) {},
		func(m *modeltest.Model) { m.Fuse(false) },
		func(m *modeltest.Model) { m.Fuse(true) },
	} {
		m := smallQwen3MoE()
		fuse(m)
		dir := t.TempDir()
		if err := m.Write(dir); err != nil {
			t.Fatal(err)
		}
		result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
		var sums []uint64
		for _, rec := range r.Records() {
			sums = append(sums, rec.Checksum)
		}
		if want == nil {
			want = sums
		}
		if !slices.Equal(sums, want) {
			t.Errorf("%d tensors: the records differ", len(m.Tensors))
		}
		var bytes int64
		for _, x := range m.Tensors {
			bytes += 4 * int64(len(x.Data))
		}
		if result.SourceBytes != bytes {
			t.Errorf("%d tensors: %d bytes were read, want %d", len(m.Tensors), result.SourceBytes, bytes)
		}
	}
	m := smallQwen3MoE()
	m.Fuse(false)
	x := m.Tensor("model.layers.1.mlp.experts.gate_up_proj")
	x.Shape = []int{3, 64, 40, 2}
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	_, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{})
	if want := "model.layers.1.mlp.experts.gate_up_proj has shape [3 64 40 2]"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("error is %v, want %q", err, want)
	}
}

// Square matrices do not tell how they lie, so the other tensor of the layer does.
func TestFusedSquareExperts(t *testing.T) {
	for _, tt := range []struct {
		name        string
		hidden, ffn int
	}{{"gate_up is square", 96, 48}, {"down is square", 64, 64}} {
		for _, transposed := range []bool{false, true} {
			model := func() *modeltest.Model {
				return modeltest.New(modeltest.Shape{
					Arch: "qwen3moe", Layers: 2, Hidden: tt.hidden, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: tt.ffn, Vocab: 40, Context: 64,
				}, 1)
			}
			want := sums(reference(t, model()))
			m := model()
			m.Fuse(transposed)
			if got := sums(reference(t, m)); !slices.Equal(got, want) {
				t.Errorf("%s, transposed %t: the file differs from that of experts that are not fused", tt.name, transposed)
			}
		}
	}
}

// What Transformers saves is converted, and every role is there.
func TestQwen3Checkpoint(t *testing.T) {
	_, r := convertTo(t, "../testdata/architectures/qwen3_moe_mixed_shard", convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	c := r.Config
	want := &format.MoE{Experts: 16, ExpertsPerToken: 4, ExpertFFN: 64, RouterSoftmax: true, SoftmaxAll: true, Layout: []bool{false, true, false, true}}
	if d := cmp.Diff(want, c.MoE); d != "" || c.Architecture != "qwen3moe" || c.FFN != 192 || !c.QKNorm || c.Activation != format.SiLU {
		t.Errorf("the config is %+v (-want +got):\n%s", c, d)
	}
	for l := range c.Layers {
		for _, role := range format.Roles() {
			want := role.PerLayer() && role <= format.RoleDown && !(role == format.RoleRouter && !c.HasExperts(l)) && !(role.PerExpert() && c.HasExperts(l))
			rec, tensor, ok := r.Role(role, l)
			if ok != want {
				t.Errorf("layer %d: %s is there: %t", l, role, ok)
			}
			if !ok {
				continue
			}
			if !slices.Equal(tensor.Shape(), c.Shape(role, l, false)) || rec.Layer != l {
				t.Errorf("layer %d: %s has shape %v", l, role, tensor.Shape())
			}
			exact := strings.Contains(role.String(), "norm") || role == format.RoleRouter
			if (tensor.Type == quant.F32) != exact {
				t.Errorf("layer %d: %s has type %s", l, role, tensor.Type)
			}
		}
		if _, ok := r.Expert(l, 15); ok != c.HasExperts(l) {
			t.Errorf("layer %d has experts: %t", l, ok)
		}
	}
}

// Every spelling of a config.json, with the defaults of Transformers.
func TestQwen3Config(t *testing.T) {
	type fields = map[string]any
	yarn := func(more fields) fields {
		f := fields{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1e6}
		maps.Copy(f, more)
		return f
	}
	llama3 := fields{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
	factors := slices.Repeat([]float64{1.5}, 16)
	longRoPE := fields{"rope_type": "longrope", "short_factor": factors, "long_factor": factors}
	long := func(original int, attention float64) func(*format.Config) {
		return func(c *format.Config) {
			c.RoPEScaling = &format.RoPEScaling{Type: format.LongRoPE, OriginalContext: original, AttentionFactor: attention, ShortFactors: factors, LongFactors: factors}
		}
	}
	scaling := func(edit func(*format.RoPEScaling)) func(*format.Config) {
		return func(c *format.Config) {
			c.RoPETheta = 1e6
			c.RoPEScaling = &format.RoPEScaling{Type: "yarn", Factor: 4, OriginalContext: 16, BetaFast: 32, BetaSlow: 1,
				AttentionFactor: 0.1*math.Log(4) + 1, Truncate: true}
			if edit != nil {
				edit(c.RoPEScaling)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		model *modeltest.Model
		set   fields
		want  func(*format.Config)
	}{
		{"Transformers 4", smallQwen3MoE(), fields{"num_local_experts": nil, "num_experts": 3, "rope_parameters": nil, "rope_theta": 5e5, "rope_scaling": json.RawMessage("null")},
			func(c *format.Config) { c.RoPETheta = 5e5 }},
		{"defaults", smallQwen3MoE(), fields{"rope_parameters": nil, "rms_norm_eps": nil, "hidden_act": nil, "decoder_sparse_step": nil, "mlp_only_layers": nil,
			"head_dim": nil, "tie_word_embeddings": nil, "norm_topk_prob": nil},
			func(c *format.Config) { c.MoE.Layout, c.FFN, c.TiedEmbeddings = nil, 0, false }},
		{"head_dim of a dense model", smallQwen3(), fields{"head_dim": nil}, func(c *format.Config) { c.HeadDim = 128 }},
		{"key_value_heads null", smallQwen3(), fields{"num_key_value_heads": json.RawMessage("null")}, func(c *format.Config) { c.KVHeads = 2 }},
		{"normalised", smallQwen3MoE(), fields{"norm_topk_prob": true}, func(c *format.Config) { c.MoE.SoftmaxAll = false }},
		{"every second layer", smallQwen3MoE(), fields{"decoder_sparse_step": 2, "mlp_only_layers": []int{}},
			func(c *format.Config) { c.MoE.Layout = []bool{false, true, false, true} }},
		{"every second layer but one", smallQwen3MoE(), fields{"decoder_sparse_step": 2, "mlp_only_layers": []int{3, 2, 77}},
			func(c *format.Config) { c.MoE.Layout = []bool{false, true, false, false} }},
		{"no experts", smallQwen3MoE(), fields{"num_local_experts": 0}, func(c *format.Config) { c.MoE = nil }},
		{"no layer of experts", smallQwen3MoE(), fields{"decoder_sparse_step": 5}, func(c *format.Config) { c.MoE = nil }},
		{"all slide", smallQwen3MoE(), fields{"use_sliding_window": true, "sliding_window": 9, "max_window_layers": 3},
			func(c *format.Config) { c.SlidingLayout, c.SlidingWindow = []bool{true, true, true, true}, 9 }},
		{"a window that is null", smallQwen3MoE(), fields{"use_sliding_window": true, "sliding_window": json.RawMessage("null")}, func(*format.Config) {}},
		{"a window that is not used", smallQwen3(), fields{"sliding_window": 9, "layer_types": nil}, func(*format.Config) {}},
		{"the last layer slides", smallQwen3(), fields{"use_sliding_window": true, "sliding_window": 9, "max_window_layers": 1, "layer_types": nil},
			func(c *format.Config) { c.SlidingLayout, c.SlidingWindow = []bool{false, true}, 9 }},
		{"from layer 28 on", smallQwen3(), fields{"use_sliding_window": true, "sliding_window": nil, "layer_types": nil}, func(*format.Config) {}},
		{"layer_types rule", smallQwen3(), fields{"use_sliding_window": true, "sliding_window": nil, "max_window_layers": 0,
			"layer_types": []string{"sliding_attention", "full_attention"}},
			func(c *format.Config) { c.SlidingLayout, c.SlidingWindow = []bool{true, false}, 4096 }},
		{"biases", smallQwen3(), fields{"attention_bias": true}, func(c *format.Config) { c.AttentionBias = true }},
		{"linear", smallQwen3(), fields{"rope_parameters": fields{"rope_type": "linear", "factor": 2.0}},
			func(c *format.Config) {
				c.RoPEScaling = &format.RoPEScaling{Type: "linear", Factor: 2, AttentionFactor: 1}
			}},
		{"linear, with experts", smallQwen3MoE(), fields{"rope_scaling": fields{"type": "linear", "factor": 4.0}},
			func(c *format.Config) {
				c.RoPEScaling = &format.RoPEScaling{Type: "linear", Factor: 4, AttentionFactor: 1}
			}},
		{"dynamic, up to the context", smallQwen3(), fields{"rope_scaling": fields{"type": "dynamic", "factor": 4.0}}, func(*format.Config) {}},
		{"longrope", smallQwen3(), fields{"rope_parameters": longRoPE, "original_max_position_embeddings": 16}, long(16, math.Sqrt(1+math.Log(4)/math.Log(16)))},
		{"longrope by its first name", smallQwen3(), fields{"rope_scaling": fields{"type": "su", "short_factor": factors, "long_factor": factors}}, long(64, 1)},
		{"longrope of the whole context", smallQwen3MoE(), fields{"rope_scaling": longRoPE}, long(64, 1)},
		{"llama3", smallQwen3MoE(), fields{"rope_scaling": llama3}, func(c *format.Config) {
			c.RoPEScaling = &format.RoPEScaling{Type: "llama3", Factor: 8, OriginalContext: 16, BetaFast: 4, BetaSlow: 1, AttentionFactor: 1}
		}},
		{"YaRN", smallQwen3(), fields{"rope_parameters": yarn(nil)}, scaling(nil)},
		{"YaRN of Transformers 4", smallQwen3(), fields{"rope_parameters": nil, "rope_theta": 1e6, "rope_scaling": fields{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}, scaling(nil)},
		{"YaRN, factor by context", smallQwen3(), fields{"rope_parameters": yarn(fields{"factor": json.RawMessage("null")})}, scaling(nil)},
		{"YaRN, factor rules", smallQwen3(), fields{"rope_parameters": yarn(fields{"factor": 2.0})},
			scaling(func(s *format.RoPEScaling) { s.Factor, s.AttentionFactor = 2, 0.1*math.Log(2)+1 })},
		{"YaRN, original context", smallQwen3(), fields{"rope_parameters": fields{"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6}},
			scaling(func(s *format.RoPEScaling) { s.OriginalContext = 64 })},
		{"YaRN, all given", smallQwen3(), fields{"rope_parameters": yarn(fields{"beta_fast": 16, "beta_slow": 2, "attention_factor": 1.5, "truncate": false})},
			scaling(func(s *format.RoPEScaling) {
				s.BetaFast, s.BetaSlow, s.AttentionFactor, s.Truncate = 16, 2, 1.5, false
			})},
		{"YaRN, mscale", smallQwen3(), fields{"rope_parameters": yarn(fields{"mscale": 2.0, "mscale_all_dim": 0.5})},
			scaling(func(s *format.RoPEScaling) { s.AttentionFactor = (0.2*math.Log(4) + 1) / (0.05*math.Log(4) + 1) })},
		{"YaRN, one mscale", smallQwen3(), fields{"rope_parameters": yarn(fields{"mscale": 2.0})}, scaling(nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkConfig(t, tt.model, tt.set, tt.want)
		})
	}
}

// What would be computed wrongly is refused by name.
func TestQwen3Refused(t *testing.T) {
	type fields = map[string]any
	for _, tt := range []struct {
		set  fields
		want string
	}{
		{fields{"hidden_act": "gelu"}, `hidden_act is "gelu"`},
		{fields{"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"},
		{fields{"rope_parameters": fields{"partial_rotary_factor": 0.5}}, "field rope_parameters.partial_rotary_factor is 0.5"},
		{fields{"rope_parameters": fields{"rope_type": "linear", "factor": 0.5}}, "rope_parameters.factor is missing, or not 1 or more"},
		{fields{"rope_parameters": fields{"full_attention": fields{"rope_theta": 1e6}}}, "field rope_parameters.full_attention: the layers of this architecture rotate alike"},
		{fields{"rope_parameters": fields{"rope_type": "longrope", "factor": 2.0}}, "rope_parameters.short_factor has 0 entries"},
		{fields{"rope_parameters": fields{"rope_type": "proportional"}}, `rope_parameters asks for "proportional"`},
		{fields{"rope_scaling": fields{"type": "llama3", "factor": 2.0}}, "rope_scaling.low_freq_factor is missing"},
		{fields{"rope_scaling": fields{"type": "llama3", "factor": 2.0, "low_freq_factor": 1, "high_freq_factor": 0.5}}, "rope_scaling.high_freq_factor is missing, or below"},
		{fields{"rope_scaling": 3}, "field rope_scaling"},
		{fields{"rope_scaling": fields{"type": "yarn", "factor": 0.5}}, "rope_scaling.factor is 0.5"},
		{fields{"rope_scaling": fields{"type": "yarn", "original_max_position_embeddings": 0}}, "original_max_position_embeddings is 0"},
		{fields{"num_key_value_heads": "2"}, "field num_key_value_heads is a JSON string: a whole number was expected"},
		{fields{"intermediate_size": nil}, "intermediate_size is missing"},
		{fields{"num_local_experts": nil}, "num_experts is missing"},
		{fields{"num_experts": 4}, "num_experts is 4, and num_local_experts is 3"},
		{fields{"num_local_experts": -1}, "field num_local_experts is -1"},
		{fields{"num_local_experts": nil, "num_experts": -1}, "field num_experts is -1"},
		{fields{"num_experts_per_tok": 4}, "field num_experts_per_tok is 4, but num_local_experts is 3"},
		{fields{"head_dim": 15}, "field head_dim is 15: it must be even"},
		{fields{"moe_intermediate_size": nil}, "moe_intermediate_size is missing"},
		{fields{"mlp_only_layers": []any{nil, 1}}, "field mlp_only_layers is a JSON null in an array: a whole number was expected"},
		{fields{"decoder_sparse_step": 0}, "decoder_sparse_step is 0"},
		{fields{"use_sliding_window": true, "sliding_window": 0}, "sliding_window is 0"},
		{fields{"architectures": []string{"Qwen3ForCausalLM"}, "layer_types": slices.Repeat([]string{"sliding_attention"}, 4), "use_sliding_window": true,
			"sliding_window": json.RawMessage("null")}, "sliding_window is null"},
		{fields{"num_attention_heads": 3, "num_key_value_heads": 2}, "num_attention_heads is 3"},
		{fields{"architectures": []string{"Qwen3ForCausalLM"}, "layer_types": []string{"full_attention"}}, "layer_types has 1 entries"},
		{fields{"architectures": []string{"Qwen3ForCausalLM"}, "layer_types": slices.Repeat([]string{"chunked_attention"}, 4)}, "chunked_attention"},
		{fields{"architectures": []string{"Qwen3ForCausalLM"}, "layer_types": slices.Repeat([]string{"sliding_attention"}, 4)}, "use_sliding_window is false"},
	} {
		checkRefused(t, smallQwen3MoE(), tt.set, tt.want)
	}
}

// Models of other programs' making are converted as those that are here. The folder is not part of the repository.
func TestSharedArchitectures(t *testing.T) {
	for _, root := range []string{"../../shared", "../../../shared"} {
		dirs, _ := filepath.Glob(filepath.Join(root, "architectures", "qwen3*"))
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
				t.Fatal(err)
			}
			for _, typ := range []quant.Type{quant.F32, quant.Q4_0} {
				if _, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: typ}}); len(r.Verify(t.Context(), 2, nil)) > 0 {
					t.Errorf("%s: %s is not what it should be", dir, typ)
				}
			}
		}
	}
}
