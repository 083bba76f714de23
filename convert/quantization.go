package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/convert/checkpoint"
)

// quantization is quantization_config of config.json: how the weights were quantized before they were saved. Every method has fields of
// its own; these tell the methods and their kinds apart.
type quantization struct {
	Method    string          `json:"quant_method"`
	Bits      json.RawMessage `json:"bits"`
	FourBit   bool            `json:"load_in_4bit"`
	EightBit  bool            `json:"load_in_8bit"`
	QuantType string          `json:"bnb_4bit_quant_type"`
	Format    string          `json:"format"` // of compressed-tensors
	Algorithm string          `json:"quant_algo"`
	Weights   json.RawMessage `json:"weights"` // of quanto
	Block     blockSize       `json:"weight_block_size"`

	Groups map[string]struct { // of compressed-tensors
		Weights struct {
			Block blockSize `json:"block_structure"`
			Group int       `json:"group_size"` // columns of one row; −1: all
		} `json:"weights"`
	} `json:"config_groups"`
}

// blockSize is how many rows and columns share a scale: [128, 128], or "128x128" as compressed-tensors wrote it formerly.
type blockSize [2]int

// UnmarshalJSON reads both.
func (b *blockSize) UnmarshalJSON(text []byte) error {
	if n, _ := fmt.Sscanf(string(text), `"%dx%d"`, &b[0], &b[1]); n == 2 {
		return nil
	}
	return json.Unmarshal(text, (*[2]int)(b))
}

// parseQuantization reads it from config.json, where it may belong to a part of the model; zero if there is none. What it says helps to
// read FP8 weights and to tell what others are, so that a malformed one is as good as none.
func parseQuantization(config []byte) (q quantization) {
	type part struct {
		Quantization json.RawMessage `json:"quantization_config"`
		Compression  json.RawMessage `json:"compression_config"` // of compressed-tensors, formerly
	}
	var file struct {
		part
		Text part `json:"text_config"`
	}
	_ = json.Unmarshal(config, &file)
	for _, text := range []json.RawMessage{file.Quantization, file.Compression, file.Text.Quantization, file.Text.Compression} {
		if len(text) == 0 || string(text) == "null" {
			continue
		}
		_ = json.Unmarshal(text, &q)
		if q.Method == "" && (q.FourBit || q.EightBit) {
			q.Method = "bitsandbytes" // which did not say it at first
		}
		q.Method = cmp.Or(q.Method, q.Algorithm, "an unnamed method")
		return q
	}
	return q
}

// block returns how many rows and columns share a scale.
func (q *quantization) block() blockSize {
	said := []blockSize{q.Block}
	for _, name := range slices.Sorted(maps.Keys(q.Groups)) {
		w := q.Groups[name].Weights
		said = append(said, w.Block, blockSize{1, w.Group})
	}
	for _, b := range said {
		if b[0] > 0 && b[1] > 0 {
			return b
		}
	}
	return defaultBlock
}

// methodNames are what people call the methods.
var methodNames = map[string]string{
	"gptq": "GPTQ", "awq": "AWQ", "hqq": "HQQ", "aqlm": "AQLM", "eetq": "EETQ", "mxfp4": "MXFP4", "fp8": "FP8", "fbgemm_fp8": "FBGEMM FP8",
	"higgs": "HIGGS", "vptq": "VPTQ", "spqr": "SpQR", "modelopt": "ModelOpt", "auto-round": "AutoRound", "intel/auto-round": "AutoRound",
	"quark": "Quark", "bitnet": "BitNet", "nvfp4": "NVFP4", "fp_quant": "FP-Quant",
}

// String names the method and the number of bits.
func (q *quantization) String() string {
	name := cmp.Or(methodNames[strings.ToLower(q.Method)], q.Method)
	switch {
	case q.FourBit:
		return strings.TrimSpace(name + " to 4 bits " + strings.ToUpper(q.QuantType))
	case q.EightBit:
		return name + " to 8 bits"
	case len(q.Bits) > 0 && string(q.Bits) != "null":
		return name + " to " + strings.Trim(string(q.Bits), `"`) + " bits"
	case q.Format != "":
		return name + ", " + q.Format
	case len(q.Weights) > 2 && q.Weights[0] == '"':
		return name + " to " + strings.Trim(string(q.Weights), `"`)
	}
	return name
}

// marks are the ends of names that tell how weights were quantized, the most telling first.
var marks = []struct{ suffix, method string }{
	{".g_idx", "GPTQ"},
	{".qweight", "GPTQ or AWQ"},
	{".qzeros", "GPTQ or AWQ"},
	{".quant_state.bitsandbytes__nf4", "bitsandbytes to 4 bits NF4"},
	{".quant_state.bitsandbytes__fp4", "bitsandbytes to 4 bits FP4"},
	{".absmax", "bitsandbytes to 4 bits"},
	{".quant_map", "bitsandbytes to 4 bits"},
	{".SCB", "bitsandbytes to 8 bits"},
	{".weight_packed", "compressed-tensors"},
	{".weight_zero_point", "compressed-tensors"},
	{".weight_global_scale", "NVFP4"},
	{".weight_scale_2", "NVFP4"},
	{".W_q", "HQQ"},
	{".codebooks", "AQLM"},
	{".trellis", "EXL3"},
	{".q_weight", "EXL2"},
	{".Qidxs", "QuIP#"},
	{".centroids.weight", "VPTQ"},
	{".weight._data", "quanto"},
	{".weight_scales", "EETQ"},
	{"_blocks", "MXFP4"},
	{"_scale_inv", "FP8 with block scales"},
	{".weight_scale", "weight scales"},
	{".scales", "MLX or another method with scales"},
}

// packedTypes are those of weights that were quantized: whole numbers, some of several weights, and floats of less than eight bits. Others that
// are not read, such as C64, tell no method.
var packedTypes = []string{"I8", "U8", "I16", "I32", "U32", "F4", "F6_E2M3", "F6_E3M2"}

// quantizedBy looks at tensors' names and types. It returns the method and a tensor that shows it, nil if none does.
func quantizedBy(tensors []*checkpoint.Tensor) (method string, example *checkpoint.Tensor) {
	for _, m := range marks {
		if i := slices.IndexFunc(tensors, func(t *checkpoint.Tensor) bool { return strings.HasSuffix(t.Name, m.suffix) }); i >= 0 {
			return m.method, tensors[i]
		}
	}
	for _, t := range tensors {
		if strings.Contains(t.Name, "weight") && slices.Contains(packedTypes, t.DType.String()) {
			return fmt.Sprintf("a method that stores %s", t.DType), t
		}
	}
	return "", nil
}
