package convert_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/gguf"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

func smallGemma3() *modeltest.Model {
	return modeltest.NewGemma(modeltest.Gemma{Layers: 3, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 96, Vocab: 50, Context: 512,
		Sliding: []int{1, 0, 1}, Window: 7, Scalar: 16}, 1)
}

// A file of Ollama's converter has the part that sees, too, which is left out, and leaves out what Ollama knows of such models.
func TestGemma3OfOllama(t *testing.T) {
	path := writeGGUF(t, smallGemma3(), modeltest.GGUF{Type: quant.F32, Edit: func(m *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
		for key, value := range map[string]any{
			"attention.layer_norm_rms_epsilon": nil, "rope.freq_base": nil, "rope.freq_base_swa": nil, "rope.scaling.type": nil, "rope.scaling.factor": nil,
			"rope.local.freq_base": float32(700), "vision.block_count": uint32(1),
		} {
			*m = set(*m, "gemma3."+key, value)
		}
		for _, name := range []string{"v.blk.0.attn_q.weight", "mm.mm_input_projection.weight"} {
			*tensors = append(*tensors, modeltest.GGUFTensor{Info: gguf.Info{Name: name, Shape: []int{4}, Type: gguf.F32}, Data: make([]byte, 16)})
		}
	}})
	result, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	want := &format.RoPEScaling{Type: "linear", Factor: 8, AttentionFactor: 1}
	if c := &r.Config; c.RMSNormEps != 1e-6 || c.RoPETheta != 1e6 || c.LocalRoPE.Theta != 700 || !reflect.DeepEqual(c.RoPEScaling, want) {
		t.Errorf("%+v", c)
	}
	const note = "only the text part of the model is converted: 2 tensors, such as v.blk.0.attn_q.weight, left out"
	if !slices.Contains(result.Notes, note) {
		t.Errorf("notes %q, want %q", result.Notes, note)
	}
	// Those of models that do not see may have other names for both of RoPE's bases.
	path = writeGGUF(t, smallGemma3(), modeltest.GGUF{Type: quant.F32, Edit: func(m *gguf.Metadata, _ *[]modeltest.GGUFTensor) {
		for key, value := range map[string]any{"freq_base": nil, "freq_base_swa": nil, "global.freq_base": float32(5e5), "local.freq_base": float32(700)} {
			*m = set(*m, "gemma3.rope."+key, value)
		}
	}})
	_, r = convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	if c := &r.Config; c.RoPETheta != 5e5 || c.LocalRoPE.Theta != 700 {
		t.Errorf("bases are %g and %g", c.RoPETheta, c.LocalRoPE.Theta)
	}
}

// Every spelling of a config.json of Gemma 3, with the defaults of Transformers.
func TestGemma3Config(t *testing.T) {
	type fields = map[string]any
	null := json.RawMessage("null")
	for _, tt := range []struct {
		name string
		set  fields
		want func(*format.Config)
	}{
		{"defaults", fields{"num_attention_heads": nil, "num_key_value_heads": nil, "head_dim": nil, "vocab_size": nil, "max_position_embeddings": nil,
			"rms_norm_eps": nil, "hidden_activation": nil, "tie_word_embeddings": nil, "rope_parameters": nil, "query_pre_attn_scalar": nil,
			"sliding_window": nil},
			func(c *format.Config) {
				c.Heads, c.KVHeads, c.HeadDim, c.Vocab, c.Context, c.SlidingWindow, c.AttentionScale = 8, 4, 256, 262208, 131072, 4096, 1.0/16
			}},
		{"a pattern", fields{"layer_types": nil, "sliding_window_pattern": 2}, func(c *format.Config) { c.SlidingLayout = []bool{true, false, true} }},
		{"the pattern of Transformers 5", fields{"layer_types": nil, "_sliding_window_pattern": 3}, func(c *format.Config) { c.SlidingLayout = []bool{true, true, false} }},
		{"no pattern", fields{"layer_types": nil}, func(c *format.Config) { c.SlidingLayout = []bool{true, true, true} }},
		{"a pattern of one", fields{"layer_types": nil, "sliding_window_pattern": 1, "sliding_window": null},
			func(c *format.Config) { c.SlidingLayout, c.SlidingWindow = []bool{false, false, false}, 0 }},
		{"Transformers 4", fields{"rope_parameters": nil, "rope_theta": 5e5, "rope_local_base_freq": 700, "rope_scaling": fields{"rope_type": "linear", "factor": 8.0}},
			func(c *format.Config) {
				c.RoPETheta, c.LocalRoPE.Theta = 5e5, 700
				c.RoPEScaling = &format.RoPEScaling{Type: "linear", Factor: 8, AttentionFactor: 1}
			}},
		{"Transformers 5", fields{"rope_parameters": fields{"full_attention": fields{"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
			"sliding_attention": fields{"rope_type": "linear", "factor": 2.0}}},
			func(c *format.Config) {
				c.RoPETheta = 5e5
				c.RoPEScaling = &format.RoPEScaling{Type: "linear", Factor: 8, AttentionFactor: 1}
				c.LocalRoPE.Scaling = &format.RoPEScaling{Type: "linear", Factor: 2, AttentionFactor: 1}
			}},
		{"softcap", fields{"final_logit_softcapping": 30.0}, func(c *format.Config) { c.LogitSoftcap = 30 }},
		{"a softcap of attention, which is not used", fields{"attn_logit_softcapping": 50.0}, func(c *format.Config) {}},
		{"biases", fields{"attention_bias": true}, func(c *format.Config) { c.AttentionBias = true }},
		{"untied", fields{"tie_word_embeddings": false}, func(c *format.Config) { c.TiedEmbeddings = false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkConfig(t, smallGemma3(), tt.set, tt.want)
		})
	}
}

// What would be computed wrongly is refused by name.
func TestGemma3Refused(t *testing.T) {
	type fields = map[string]any
	for _, tt := range []struct {
		set  fields
		want string
	}{
		{fields{"hidden_activation": "gelu"}, `hidden_activation is "gelu"`},
		{fields{"use_bidirectional_attention": true}, "use_bidirectional_attention is true"},
		{fields{"query_pre_attn_scalar": 0}, "query_pre_attn_scalar is 0"},
		{fields{"final_logit_softcapping": -1}, "field final_logit_softcapping is -1"},
		{fields{"head_dim": 33}, "field head_dim is 33: it must be even"},
		{fields{"sliding_window": 0}, "sliding_window is 0"},
		{fields{"sliding_window": json.RawMessage("null")}, "sliding_window is null"},
		{fields{"sliding_window_pattern": 0}, "field sliding_window_pattern is 0"},
		{fields{"_sliding_window_pattern": -1}, "field _sliding_window_pattern is -1"},
		{fields{"layer_types": []string{"full_attention"}}, "layer_types has 1 entries"},
		{fields{"layer_types": []string{"full_attention", "chunked_attention", "full_attention"}}, "chunked_attention"},
		{fields{"rope_parameters": fields{"rope_theta": 5.0}}, "rope_parameters has neither"},
		{fields{"rope_scaling": fields{"rope_type": "longrope", "factor": 2.0}}, `asks for "longrope"`},
		{fields{"rope_scaling": fields{"rope_type": "linear"}}, "factor is missing, or not 1 or more"},
		{fields{"num_hidden_layers": 1 << 20}, "num_hidden_layers is"},
		{fields{"architectures": []string{"Gemma3ForConditionalGeneration"}}, "text_config is missing"},
		{fields{"architectures": []string{"Gemma2ForCausalLM"}}, "Gemma3ForConditionalGeneration"},
	} {
		checkRefused(t, smallGemma3(), tt.set, tt.want)
	}
}

// The text part of a model that sees and hears is converted alone, to the same records; a note tells what is left out. That holds, too, where
// config.json names the class of the text part and has its fields in text_config.
func TestGemmaTextPart(t *testing.T) {
	alone, _ := convertModel(t, smallGemma3())
	for _, tt := range []struct {
		class    string
		newNames bool
	}{{"Gemma3ForConditionalGeneration", false}, {"Gemma3ForConditionalGeneration", true}, {"Gemma3ForCausalLM", false}} {
		m := smallGemma3()
		m.Surround(tt.newNames)
		m.Config["architectures"] = []string{tt.class}
		r, notes := convertModel(t, m)
		if d := cmp.Diff([]int32{1, 106}, r.Generation.EOS); d != "" || *r.Generation.BOS != 2 {
			t.Errorf("the end tokens differ:\n%s", d)
		}
		if d := cmp.Diff(alone.Config, r.Config); d != "" {
			t.Errorf("the config differs:\n%s", d)
		}
		for i := range alone.Records() {
			if a, b := &alone.Records()[i], &r.Records()[i]; a.Checksum != b.Checksum || a.Tensors[0].Name != b.Tensors[0].Name {
				t.Errorf("record %d differs", i)
			}
		}
		want := "only the text part of the model is converted: 1 tensor of audio_tower, 1 tensor of embed_vision, 1 tensor of multi_modal_projector, 1 tensor of vision_tower left out"
		if !strings.Contains(strings.Join(notes, "\n"), want) {
			t.Errorf("the notes are %q, want %q", notes, want)
		}
	}
}

// convertModel converts a model of random weights.
func convertModel(t *testing.T, m *modeltest.Model) (*format.Reader, []string) {
	t.Helper()
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	return r, result.Notes
}

// Weights of norms are stored as they are multiplied: 1 more than the checkpoint of Gemma 3 says.
func TestGemma3Norms(t *testing.T) {
	m := smallGemma3()
	r, _ := convertModel(t, m)
	for _, name := range []string{"model.norm.weight", "model.layers.1.self_attn.k_norm.weight", "model.layers.2.post_feedforward_layernorm.weight"} {
		rec, tensor, ok := r.Lookup(name)
		if !ok {
			t.Fatalf("%s is missing", name)
		}
		data := make([]byte, rec.Length)
		if err := r.ReadRecord(rec, data); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, tensor.Cols)
		tensor.DecodeRow(got, data, 0)
		for i, v := range m.Tensor(name).Data {
			if math.Abs(float64(got[i]-(1+v))) > 1e-7 {
				t.Fatalf("%s: number %d is %g, want %g", name, i, got[i], 1+v)
			}
		}
	}
}

// A tensor that belongs neither to the text part nor to a part that is known is refused.
func TestGemmaUnknownTensor(t *testing.T) {
	m := smallGemma3()
	extra := *m.Tensor("model.norm.weight")
	extra.Name = "model.layers.0.self_attn.sinks"
	m.Tensors = append(m.Tensors, extra)
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	_, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{})
	if !strings.Contains(fmt.Sprint(err), extra.Name) {
		t.Errorf("error is %v, want one about %s", err, extra.Name)
	}
}

func smallGemma3n(edit func(g *modeltest.Gemma)) *modeltest.Model {
	g := modeltest.Gemma{Layers: 4, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 96, Vocab: 50, Context: 512, Sliding: []int{1, 0, 1, 0}, Window: 7,
		Softcap: 30, AltUp: 4, Laurel: 32, PerLayer: 32, Sparsity: []float64{.9, 0, 0, 0}, Shared: 2, Clip: 120}
	if edit != nil {
		edit(&g)
	}
	return modeltest.NewGemma(g, 1)
}

// Every spelling of a config.json of Gemma 3n, with the defaults of Transformers.
func TestGemma3nConfig(t *testing.T) {
	type fields = map[string]any
	null := json.RawMessage("null")
	for _, tt := range []struct {
		name string
		set  fields
		want func(*format.Config)
	}{
		{"defaults", fields{"intermediate_size": nil, "altup_num_inputs": nil, "altup_active_idx": nil, "altup_coef_clip": nil, "altup_correct_scale": nil,
			"laurel_rank": nil, "hidden_size_per_layer_input": nil, "vocab_size_per_layer_input": nil, "final_logit_softcapping": nil,
			"activation_sparsity_pattern": nil},
			func(c *format.Config) {
				c.FFN, c.LaurelRank, c.PerLayerInput, c.Sparsity = 16384, 64, &format.PerLayerInput{Size: 256, Vocab: 262144}, nil
			}},
		{"no softcap, no clip", fields{"final_logit_softcapping": null, "altup_coef_clip": null},
			func(c *format.Config) { c.LogitSoftcap, c.AltUp.CoefClip = 0, 0 }},
		{"twelve layers", fields{"num_hidden_layers": 12, "layer_types": nil, "activation_sparsity_pattern": null, "num_kv_shared_layers": 3},
			func(c *format.Config) {
				c.Layers, c.KVShared = 12, 3
				c.RoPELayout, c.SlidingLayout, c.Sparsity = nil, nil, nil
				for l := range 12 {
					c.RoPELayout, c.SlidingLayout = append(c.RoPELayout, true), append(c.SlidingLayout, l%5 != 4)
					c.Sparsity = append(c.Sparsity, map[bool]float64{true: .95}[l < 10])
				}
			}},
		{"one sparsity", fields{"activation_sparsity_pattern": 0.5}, func(c *format.Config) { c.Sparsity = []float64{.5, .5, .5, .5} }},
		{"networks alike", fields{"intermediate_size": []int{64, 64, 64, 64}}, func(c *format.Config) { c.FFN = 64 }},
		{"networks that differ", fields{"intermediate_size": []int{64, 32, 64, 96}}, func(c *format.Config) { c.FFN, c.FFNLayout = 96, []int{64, 32, 64, 96} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkConfig(t, smallGemma3n(nil), tt.set, tt.want)
		})
	}
	for _, tt := range []struct {
		set  fields
		want string
	}{
		{fields{"num_kv_shared_layers": 4}, "num_kv_shared_layers is 4"},
		{fields{"num_kv_shared_layers": 3}, "field num_kv_shared_layers is 3, but no layer before those is of the type that layer_types gives layer 1"},
		{fields{"num_kv_shared_layers": nil}, "num_kv_shared_layers is 15"},
		{fields{"altup_num_inputs": 1}, "field altup_num_inputs is 1: it must be 2 to 16"},
		{fields{"altup_num_inputs": 17}, "field altup_num_inputs is 17"},
		{fields{"altup_active_idx": 4}, "field altup_active_idx is 4: it must be 0 or more, and less than altup_num_inputs, 4"},
		{fields{"altup_coef_clip": -1}, "altup_coef_clip is -1"},
		{fields{"laurel_rank": 0}, "laurel_rank is 0"},
		{fields{"hidden_size_per_layer_input": 0}, "hidden_size_per_layer_input is 0"},
		{fields{"intermediate_size": []int{64}}, "intermediate_size has 1 entries"},
		{fields{"intermediate_size": "many"}, "intermediate_size must be"},
		{fields{"intermediate_size": []any{64, nil, 64, 64}}, "intermediate_size must be"},
		{fields{"activation_sparsity_pattern": []float64{0, 0, 0, 1}}, "activation_sparsity_pattern: entry 3 is 1"},
	} {
		checkRefused(t, smallGemma3n(nil), tt.set, tt.want)
	}
}

// Keys and values of layers that share others', and scales that are turned off, are left out with a note. Layers that leave out neurons store them one
// by one, and the table of the layers' own embeddings comes first.
func TestGemma3nLayout(t *testing.T) {
	plain, notes := convertModel(t, smallGemma3n(func(g *modeltest.Gemma) { g.NoCorrectScale = true }))
	if want := "4 tensors that the model does not compute with left out"; !strings.Contains(strings.Join(notes, "\n"), want) {
		t.Errorf("the notes are %q, want %q", notes, want)
	}
	kept, notes := convertModel(t, smallGemma3n(func(g *modeltest.Gemma) { g.NoCorrectScale, g.KeepShared = true, true }))
	if want := "10 tensors that the model does not compute with left out"; !strings.Contains(strings.Join(notes, "\n"), want) {
		t.Errorf("the notes are %q, want %q", notes, want)
	}
	if len(plain.Records()) != len(kept.Records()) {
		t.Errorf("there are %d records, and %d without the tensors of shared layers", len(kept.Records()), len(plain.Records()))
	}
	if first := plain.Records()[0].Tensors[0].Role; first != format.RolePerLayerEmbedding {
		t.Errorf("the first tensor is %s", first)
	}
	for l, sparse := range []bool{true, false, false, false} {
		rec, down, _ := plain.Role(format.RoleDown, l)
		if down.Transposed != sparse || (len(rec.Tensors) == 2) != sparse {
			t.Errorf("layer %d: down is transposed: %t, in a record of %d tensors", l, down.Transposed, len(rec.Tensors))
		}
	}
	if errs := plain.Verify(t.Context(), 2, nil); len(errs) > 0 {
		t.Error(errs)
	}
}

// Matrices that lie one below the other in files are separate tensors of a checkpoint: an error names the one that is wrong, and none of them counts as
// missing where another tensor is wrong.
func TestGemma3nStacked(t *testing.T) {
	const up, down = "model.altup_projections.%d.weight", "model.altup_unembed_projections.%d.weight"
	for _, tt := range []struct {
		name, pattern string
		i             int
		edit          func(m *modeltest.Model, name string)
		want          string
	}{
		{"the first is missing", up, 0, removeTensor, "tensor model.altup_projections.0.weight is missing"},
		{"one in the middle is missing", down, 1, removeTensor, "tensor model.altup_unembed_projections.1.weight is missing"},
		{"the last is missing", up, 2, removeTensor, "tensor model.altup_projections.2.weight is missing"},
		{"one is too many", up, 3, addTensor, "tensor model.altup_projections.3.weight [1] is unknown"},
		{"the first has another shape", up, 0, cutTensor, "tensor model.altup_projections.0.weight has shape [63 64], not that of its place"},
		{"the last has another shape", down, 2, cutTensor, "tensor model.altup_unembed_projections.2.weight has shape [63 64], not that of its place"},
		{"the shape that is asked for", down, 1, cutTensor, "asks for [64 64]"},
		{"another tensor has another shape", "model.layers.%d.mlp.up_proj.weight", 1, cutTensor, "config.json and the weights are of different models or versions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := smallGemma3n(nil)
			tt.edit(m, fmt.Sprintf(tt.pattern, tt.i))
			dir := t.TempDir()
			if err := m.Write(dir); err != nil {
				t.Fatal(err)
			}
			_, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{})
			if !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

func removeTensor(m *modeltest.Model, name string) {
	m.Tensors = slices.DeleteFunc(m.Tensors, func(x ckpttest.Tensor) bool { return x.Name == name })
}

func addTensor(m *modeltest.Model, name string) {
	m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: name, DType: "F32", Shape: []int{1}, Data: []float32{1}})
}

// cutTensor takes a row from a matrix.
func cutTensor(m *modeltest.Model, name string) {
	x := m.Tensor(name)
	x.Data = x.Data[:len(x.Data)-x.Shape[1]]
	x.Shape = []int{x.Shape[0] - 1, x.Shape[1]}
}

// A file that is quantized is what a conversion to the same type makes.
func TestGemma3nQuantize(t *testing.T) {
	dir := t.TempDir()
	if err := smallGemma3n(nil).Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0} {
		_, want := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: typ}})
		_, full := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
		to := filepath.Join(t.TempDir(), "q.stm")
		if _, err := convert.Quantize(t.Context(), full.Path(), to, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
			t.Fatal(err)
		}
		got, err := format.Open(to)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		for i := range want.Records() {
			if got.Records()[i].Checksum != want.Records()[i].Checksum {
				t.Errorf("%s: record %d differs", typ, i)
			}
		}
	}
}
