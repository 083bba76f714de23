package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/runtime"
)

// TestContinuesWithSpace: the first token that continues a text keeps the space that it begins with, which tokenizers of Llama 2's kind leave out at
// the beginning of a text. An answer, after a special token, is such a beginning.
func TestContinuesWithSpace(t *testing.T) {
	dir := t.TempDir()
	model := modeltest.New(modeltest.Shape{Arch: "phi3", Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, DenseFFN: 32, Vocab: 8, Context: 64}, 1)
	if err := model.Write(dir); err != nil {
		t.Fatal(err)
	}
	tokenizer := `{"added_tokens": [{"id": 0, "content": "<|assistant|>", "special": true}],
		"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
		"decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
			{"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
		"model": {"type": "BPE", "vocab": {"<|assistant|>": 0, "▁": 1, "a": 3, "b": 4, "▁a": 5, "▁b": 6}, "merges": ["▁ a", "▁ b"]}}`
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(tokenizer), 0o666); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "phi3.stm")
	if _, err := convert.Run(context.Background(), dir, path, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for prompt, want := range map[string]string{"a": " b b", "a<|assistant|>": "b b"} {
		g := runtime.Generate{MaxTokens: 2, LogitBias: map[int32]float64{6: 1000}}
		if r := generate(t, m, prompt, g); r.Text != want {
			t.Errorf("%q is continued by %q, want %q", prompt, r.Text, want)
		}
	}
}
