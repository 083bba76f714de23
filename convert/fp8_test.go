package convert_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint"
	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/quant"
)

// e4m3 is torch.float8_e4m3fn by its definition: sign, four bits of exponent with bias 7, three of mantissa.
func e4m3(b byte) float32 {
	exponent, mantissa := int(b>>3&15), float64(b&7)
	v := math.Ldexp(1+mantissa/8, exponent-7)
	if exponent == 0 {
		v = math.Ldexp(mantissa/8, -6)
	}
	if b&0x80 != 0 {
		v = -v
	}
	return float32(v)
}

// scaled says how matrices get their scales: how many rows and columns share one, and the tensor's shape.
type scaled struct {
	suffix string
	block  func(rows, cols int) (r, c int)
	shape  func(down, over int) []int
	dtype  string
	config map[string]any
}

// toFP8 makes FP8 of all matrices beside the norms, embeddings and routers, and in m the numbers that they are worth.
func toFP8(m *modeltest.Model, s scaled, also ...string) (fp8 []ckpttest.Tensor) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range m.Tensors {
		x := &m.Tensors[i]
		if len(x.Shape) < 2 || !slices.ContainsFunc(append(also, "self_attn", "experts", "mlp.up", "mlp.gate_proj", "mlp.down"), func(part string) bool { return strings.Contains(x.Name, part) }) {
			fp8 = append(fp8, *x)
			continue
		}
		rows, cols := x.Shape[len(x.Shape)-2], x.Shape[len(x.Shape)-1]
		matrices := len(x.Data) / (rows * cols)
		r, c := s.block(rows, cols)
		down, over := (rows+r-1)/r, (cols+c-1)/c
		scales := make([]float32, matrices*down*over)
		for i := range scales {
			scales[i] = float32(math.Ldexp(1+float64(rng.IntN(128))/128, -9-rng.IntN(3))) // exact in BF16
		}
		bytes, worth := make([]float32, len(x.Data)), make([]float32, len(x.Data))
		for i := range bytes {
			b := byte(rng.IntN(256))
			if b&0x7f == 0x7f {
				b--
			}
			matrix, row, col := i/(rows*cols), i/cols%rows, i%cols
			bytes[i] = float32(b)
			worth[i] = e4m3(b) * scales[(matrix*down+row/r)*over+col/c]
		}
		x.Data = worth
		shape := slices.Concat(x.Shape[:len(x.Shape)-2], s.shape(down, over))
		fp8 = append(fp8, ckpttest.Tensor{Name: x.Name, DType: "F8_E4M3", Shape: x.Shape, Data: bytes},
			ckpttest.Tensor{Name: x.Name + s.suffix, DType: s.dtype, Shape: shape, Data: scales})
	}
	return fp8
}

var (
	block128 = scaled{"_scale_inv", func(int, int) (int, int) { return 128, 128 }, func(d, o int) []int { return []int{d, o} }, "F32",
		map[string]any{"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": []int{128, 128}}}
	block32 = scaled{"_scale_inv", func(int, int) (int, int) { return 32, 64 }, func(d, o int) []int { return []int{d, o} }, "BF16",
		map[string]any{"quant_method": "fp8", "weight_block_size": []int{32, 64}}}
	perRow = scaled{"_scale", func(_, cols int) (int, int) { return 1, cols }, func(d, _ int) []int { return []int{d, 1} }, "BF16",
		map[string]any{"quant_method": "compressed-tensors", "format": "float-quantized"}}
	ofGroups = func(weights map[string]any) map[string]any {
		groups := map[string]any{"group_0": map[string]any{"weights": weights}}
		return map[string]any{"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": groups}
	}
	blocksOfGroups = scaled{"_scale", block32.block, block32.shape, "BF16",
		ofGroups(map[string]any{"strategy": "block", "block_structure": []int{32, 64}, "group_size": nil})}
	blocksInText = scaled{"_scale", block32.block, block32.shape, "BF16", ofGroups(map[string]any{"strategy": "block", "block_structure": "32x64"})}
	groupsOfRows = scaled{"_scale", func(int, int) (int, int) { return 1, 32 }, block32.shape, "BF16",
		ofGroups(map[string]any{"strategy": "group", "block_structure": nil, "group_size": 32})}
	perRowOfGroups = scaled{"_scale", perRow.block, perRow.shape, "BF16", ofGroups(map[string]any{"strategy": "channel", "group_size": -1})}
	perTensor      = scaled{"_scale", func(rows, cols int) (int, int) { return rows, cols }, func(int, int) []int { return nil }, "F32",
		map[string]any{"quant_method": "fp8", "activation_scheme": "static"}}
)

// asFP8 returns the file of the same model in FP8, and that of what its numbers are worth in F32: their sums.
func asFP8(t *testing.T, m *modeltest.Model, s scaled) (got, want []uint64, notes string) {
	t.Helper()
	fp8 := *m
	fp8.Tensors = toFP8(m, s)
	want = sums(reference(t, m))
	fp8.Config["quantization_config"] = s.config
	dir := t.TempDir()
	ok(t, fp8.Write(dir))
	result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	return sums(r), want, strings.Join(result.Notes, "\n")
}

// larger are models whose matrices have several blocks of 128, the last of them not full.
func larger(arch string) *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Arch: arch, Layers: 2, Hidden: 160, Heads: 3, KVHeads: 1, HeadDim: 64, Experts: 2, TopK: 1, FFN: 136, DenseFFN: 288, Vocab: 40, Context: 64,
	}, 1)
}

// TestFP8: FP8 checkpoints make the same file as the numbers that they are worth.
func TestFP8(t *testing.T) {
	for name, s := range map[string]scaled{
		"blocks of 128": block128, "blocks of 32 by 64": block32, "rows": perRow, "matrices": perTensor,
		"blocks of compressed-tensors": blocksOfGroups, "blocks of compressed-tensors, as text": blocksInText,
		"parts of rows of compressed-tensors": groupsOfRows, "rows of compressed-tensors": perRowOfGroups,
	} {
		for _, arch := range []string{"", "qwen3", "qwen3moe"} {
			for _, head := range []string{"tied", "repeated", "another"} {
				if head != "tied" && s.suffix != block128.suffix {
					continue // the head is the same
				}
				t.Run(fmt.Sprint(name, " ", arch, " ", head), func(t *testing.T) {
					m := larger(arch)
					if head != "tied" {
						h := *m.Tensor("model.embed_tokens.weight")
						h.Name = "lm_head.weight"
						m.Tensors = append(m.Tensors, h)
					}
					var also []string
					if head == "another" {
						also = append(also, "lm_head")
					}
					fp8 := *m
					fp8.Tensors = toFP8(m, s, also...)
					want := sums(reference(t, m))
					fp8.Config["quantization_config"] = s.config
					fp8.Tensors = append(fp8.Tensors, ckpttest.Tensor{Name: "model.layers.0.self_attn.q_proj.input_scale", DType: "F32", Data: []float32{1}},
						ckpttest.Tensor{Name: "model.layers.0.mlp.input_scale_ub", DType: "F32", Data: []float32{1200}}) // of FBGEMM FP8
					dir := t.TempDir()
					ok(t, fp8.Write(dir))
					result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
					if !slices.Equal(sums(r), want) {
						t.Error("the file differs from that of the same numbers in F32")
					}
					notes := strings.Join(result.Notes, "\n")
					note := map[string]string{"tied": "tensors are FP8", "repeated": "lm_head.weight repeats model.embed_tokens.weight: stored once", "another": "lm_head.weight differs from"}[head]
					if r.Config.TiedEmbeddings == (head == "another") || !strings.Contains(notes, note) {
						t.Errorf("tied %t, notes %q", r.Config.TiedEmbeddings, notes)
					}
				})
			}
		}
	}
}

// TestCacheScales: scales of a KV cache in FP8 left out, be the weights FP8 or not.
func TestCacheScales(t *testing.T) {
	m := larger("qwen3moe")
	want := sums(reference(t, m))
	m.Config["quantization_config"] = map[string]any{"quant_method": "fp8", "kv_cache_scheme": map[string]any{"type": "float", "num_bits": 8}}
	for _, name := range []string{"k_scale", "v_scale", "k_proj.k_scale", "v_proj.output_scale"} {
		m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "model.layers.0.self_attn." + name, DType: "F32", Data: []float32{1}})
	}
	dir := t.TempDir()
	ok(t, m.Write(dir))
	result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	if note := "4 scales of a KV cache in FP8 left out"; !slices.Equal(sums(r), want) || !strings.Contains(strings.Join(result.Notes, "\n"), note) {
		t.Errorf("notes %q, want %q, and the weights of the checkpoint without scales", result.Notes, note)
	}
}

// TestFP8Fused: experts that are fused have scales for each matrix.
func TestFP8Fused(t *testing.T) {
	for _, s := range []scaled{block128, perRow, {"_scale", perTensor.block, func(int, int) []int { return []int{1, 1} }, "F32", perTensor.config}} {
		for _, transposed := range []bool{false, true} {
			m := larger("qwen3moe")
			m.Fuse(transposed)
			if got, want, _ := asFP8(t, m, s); !slices.Equal(got, want) {
				t.Errorf("%s, transposed %t: the file differs from that of the same numbers in F32", s.suffix, transposed)
			}
		}
	}
}

// TestFP8Shared: of layers that share keys and values of others, matrices and their scales are left out.
func TestFP8Shared(t *testing.T) {
	for _, s := range []scaled{block128, perRow, perTensor} {
		m := smallGemma3n(func(g *modeltest.Gemma) { g.KeepShared = true })
		got, want, notes := asFP8(t, m, s)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the file differs from that of the same numbers in F32", s.suffix)
		}
		// Two layers: keys, values, the scales of both, and the norm of keys.
		if note := "10 tensors that the model does not compute with left out"; !strings.Contains(notes, note) {
			t.Errorf("%s: the notes are %q, want %q", s.suffix, notes, note)
		}
	}
}

// TestTooManyTensors: a checkpoint of far more tensors than its config asks for is refused by their number.
func TestTooManyTensors(t *testing.T) {
	dir := t.TempDir()
	ok(t, small().WriteConfig(dir))
	var header strings.Builder
	header.WriteString("{")
	for i := range 5000 {
		fmt.Fprintf(&header, `"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, i)
	}
	write(t, string(ckpttest.RawSafetensors(strings.TrimSuffix(header.String(), ",")+"}", nil)), dir, "model.safetensors")
	_, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{})
	if !errors.Is(err, checkpoint.ErrTooMany) || !strings.Contains(err.Error(), "it names 5000 or more") || !strings.Contains(err.Error(), "config.json belongs to another model") {
		t.Errorf("error is %v", err)
	}
}
