package convert

import (
	"encoding/json"
	"testing"

	"st/tokenizer/hffile"
)

// FuzzPythonConfig: whatever config.json says, it is read or refused.
func FuzzPythonConfig(f *testing.F) {
	f.Add([]byte(`{"architectures":["Qwen3ForCausalLM"],"vocab_size":NaN,"rope_scaling":[],"quantization_config":{"bits":"4"}}`))
	f.Add([]byte(`{"model_type":"gemma3","text_config":{"layer_types":[null]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = ParseConfig(text)
		strict, err := hffile.StrictJSON(text)
		if err != nil {
			return
		}
		q := parseQuantization(strict)
		_ = q.String()
		_, _ = parseGeneration(strict, strict)
	})
}

// FuzzQuantization: whatever quantization_config says, blocks have rows and columns.
func FuzzQuantization(f *testing.F) {
	f.Add([]byte(`{"quant_method":"gptq","bits":4}`))
	f.Add([]byte(`{"quant_method":"fp8","weight_block_size":[128,0]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		q := parseQuantization([]byte(`{"text_config":{"quantization_config":` + string(text) + `}}`))
		if b := q.block(); b[0] < 1 || b[1] < 1 {
			t.Errorf("blocks are %v", b)
		}
		_ = q.String()
	})
}
