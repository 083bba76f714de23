package modeltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint/ckpttest"
	"st/convert/gguf"
	"st/quant"
)

// GGUF says how [Model.WriteGGUF] writes.
type GGUF struct {
	Type           quant.Type // of the matrices; norms and routers are F32
	DownTransposed bool       // as PowerInfer's converter has the experts' down matrices
	Shards         int        // files; 0: one
	Metadata       gguf.Metadata
	// Edit may change what is written.
	Edit func(metadata *gguf.Metadata, tensors *[]GGUFTensor)
}

// GGUFTensor is a tensor of a GGUF file.
type GGUFTensor struct {
	gguf.Info
	Data []byte
}

// ggufNames are what GGUF files call the tensors of checkpoints, without layer and ".weight".
var ggufNames = map[string]string{
	"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
	"post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
	"self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
	"mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp", "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up", "block_sparse_moe.primary_router": "ffn_gate_inp",
}

// WriteGGUF writes the model as a GGUF file, or as a set of them beside it (it returns the path of the last), and rounds its weights to what is in the
// file, so that [Model.Logits] are the file's.
func (m *Model) WriteGGUF(path string, o GGUF) (string, error) {
	if m.gemma != nil {
		return path, m.writeGemmaGGUF(path, o)
	}
	var tensors []GGUFTensor
	for i := 0; i < len(m.Tensors); i++ {
		t := &m.Tensors[i]
		name, layer := strings.TrimSuffix(t.Name, ".weight"), -1
		if rest, ok := strings.CutPrefix(name, "model.layers."); ok {
			fmt.Sscanf(rest, "%d", &layer)
			_, name, _ = strings.Cut(rest, ".")
		}
		x := GGUFTensor{Info: gguf.Info{Shape: t.Shape, Type: gguf.TypeOf(o.Type)}}
		_, matrix, isExpert := strings.Cut(name, ".experts.0.")
		switch {
		case isExpert:
			matrix = strings.TrimSuffix(matrix, "_proj")
			name = "ffn_" + matrix + "_exps"
			turn := matrix == "down" && o.DownTransposed
			for e := range m.Shape.Experts {
				x.Data = append(x.Data, encode(m.Tensor(m.Shape.expert(layer, e, matrix)), o.Type, turn)...)
			}
			x.Shape = append([]int{m.Shape.Experts}, t.Shape...)
			if turn {
				x.Shape[1], x.Shape[2] = x.Shape[2], x.Shape[1]
			}
		case strings.Contains(name, ".experts."):
			continue
		default:
			name = ggufNames[name]
			if len(t.Shape) == 1 || name == "ffn_gate_inp" {
				x.Type = gguf.F32
			}
			typ, _ := x.Type.Quant()
			x.Data = encode(t, typ, false)
		}
		x.Name = name + ".weight"
		if layer >= 0 {
			x.Name = fmt.Sprintf("blk.%d.%s", layer, x.Name)
		}
		tensors = append(tensors, x)
	}
	for _, which := range []string{"long", "short"} {
		if factors, ok := m.Shape.LongRoPE[which+"_factor"].([]float64); ok {
			x := GGUFTensor{Info: gguf.Info{Name: "rope_factors_" + which + ".weight", Shape: []int{len(factors)}, Type: gguf.F32}}
			for _, f := range factors {
				x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(float32(f)))
			}
			tensors = append(tensors, x)
		}
	}
	metadata := append(m.ggufMetadata(), o.Metadata...)
	if o.Edit != nil {
		o.Edit(&metadata, &tensors)
	}
	if o.Shards < 2 {
		return path, writeGGUF(path, metadata, tensors)
	}
	for i := range o.Shards {
		part := slices.Clone(gguf.Metadata{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(o.Shards)},
			{Key: "split.tensors.count", Value: int32(len(tensors))}})
		if i == 0 {
			part = append(part, metadata...)
		}
		name := fmt.Sprintf("%s-%05d-of-%05d.gguf", strings.TrimSuffix(path, filepath.Ext(path)), i+1, o.Shards)
		if err := writeGGUF(name, part, tensors[len(tensors)*i/o.Shards:len(tensors)*(i+1)/o.Shards]); err != nil {
			return name, err
		}
		if i == o.Shards-1 {
			path = name
		}
	}
	return path, nil
}

func writeGGUF(path string, metadata gguf.Metadata, tensors []GGUFTensor) error {
	var infos []gguf.Info
	for _, t := range tensors {
		infos = append(infos, t.Info)
	}
	var b bytes.Buffer
	w, err := gguf.NewWriter(&b, metadata, infos)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}

// encode returns a tensor, or its transpose, in a type, and rounds it to that.
func encode(t *ckpttest.Tensor, typ quant.Type, transposed bool) []byte {
	cols := t.Shape[len(t.Shape)-1]
	data := t.Data
	if transposed {
		data = transpose(data, cols)
		cols = len(data) / cols
	}
	var out []byte
	for r := 0; r < len(data); r += cols {
		row := data[r : r+cols]
		quants, scales := make([]byte, typ.QuantBytes(cols)), make([]byte, typ.ScaleBytes(cols))
		typ.Encode(quants, scales, row)
		typ.Decode(row, quants, scales)
		if len(scales) > 0 {
			blocks := make([]byte, len(quants)+len(scales))
			gguf.JoinBlocks(gguf.TypeOf(typ), blocks, quants, scales)
			quants = blocks
		}
		out = append(out, quants...)
	}
	if transposed {
		copy(t.Data, transpose(data, cols))
	}
	return out
}

// ggufMetadata is what llama.cpp's converter writes for the shape.
func (m *Model) ggufMetadata() gguf.Metadata {
	s := &m.Shape
	arch := s.Arch
	if arch == "" {
		arch = "smallthinker"
	}
	metadata := gguf.Metadata{{Key: "general.architecture", Value: arch}}
	add := func(key string, value any) {
		metadata = append(metadata, gguf.Entry{Key: arch + "." + key, Value: value})
	}
	size := func(key string, n int) { add(key, uint32(n)) }
	size("block_count", s.Layers)
	size("context_length", s.Context)
	size("embedding_length", s.Hidden)
	size("feed_forward_length", max(s.DenseFFN, s.FFN))
	size("attention.head_count", s.Heads)
	size("attention.head_count_kv", s.KVHeads)
	size("attention.key_length", s.HeadDim)
	size("attention.value_length", s.HeadDim)
	add("rope.freq_base", float32(s.Theta))
	add("attention.layer_norm_rms_epsilon", float32(1e-6))
	if s.Experts > 0 {
		size("expert_count", s.Experts)
		size("expert_used_count", s.TopK)
		size("expert_feed_forward_length", s.FFN)
	}
	if arch == "phi3" {
		size("rope.dimension_count", int(float64(s.HeadDim)*s.partial()))
		size("attention.sliding_window", s.Window)
		if s.LongRoPE != nil {
			_, scale := m.frequencies(0)
			size("rope.scaling.original_context_length", s.LongRoPE["original_max_position_embeddings"].(int))
			add("rope.scaling.attn_factor", float32(scale))
		}
	}
	if arch == "smallthinker" {
		gating := 2
		if s.Softmax {
			gating = 1
		}
		size("expert_gating_func", gating)
		if slices.Contains(s.Sliding, 1) {
			size("attention.sliding_window", s.Window)
		}
	}
	return metadata
}
