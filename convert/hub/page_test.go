package hub_test

import (
	"errors"
	"testing"

	"st/convert/hub"
)

// TestParsePage: the addresses of pages and files name a repository.
func TestParsePage(t *testing.T) {
	for text, want := range map[string]string{
		"Org/Tiny:Tiny-Q8_0.gguf":                                                      "Org/Tiny:Tiny-Q8_0",
		"hf.co/Org/Tiny:Q4_0":                                                          "Org/Tiny:Q4_0",
		"HF.co/Org/Tiny:latest":                                                        "Org/Tiny",
		"http://www.huggingface.co/Org/Tiny":                                           "Org/Tiny",
		"https://huggingface.co/Org/Tiny/":                                             "Org/Tiny",
		"https://huggingface.co/Org/Tiny?library=transformers":                         "Org/Tiny",
		"https://huggingface.co/Org/Tiny#usage":                                        "Org/Tiny",
		"https://huggingface.co/Org/Tiny/tree/main":                                    "Org/Tiny",
		"https://huggingface.co/Org/Tiny/tree/refs%2Fpr%2F3":                           "Org/Tiny@refs/pr/3",
		"https://huggingface.co/Org/Tiny/blob/v1/config.json":                          "Org/Tiny@v1",
		"https://huggingface.co/Org/Tiny/blob/main/Tiny-Q8_0.gguf":                     "Org/Tiny:Tiny-Q8_0",
		"https://huggingface.co/Org/Tiny/resolve/v1/Q8_0/Tiny-Q8_0.gguf?download=true": "Org/Tiny:Tiny-Q8_0@v1",
		"https://www.modelscope.cn/models/Org/Tiny":                                    "ms://Org/Tiny",
		"https://modelscope.cn/models/Org/Tiny/summary?version=1":                      "ms://Org/Tiny",
		"https://modelscope.cn/models/Org/Tiny/files":                                  "ms://Org/Tiny",
		"https://modelscope.cn/models/Org/Tiny/file/view/master/Tiny-Q8_0.gguf?status": "ms://Org/Tiny:Tiny-Q8_0",
		"https://modelscope.cn/models/Org/Tiny/resolve/master/Tiny-Q8_0.gguf":          "ms://Org/Tiny:Tiny-Q8_0",
		"https://modelscope.cn/models/Org/Tiny/file/view/v1/Tiny-Q8_0.gguf":            "ms://Org/Tiny:Tiny-Q8_0@v1",
		"modelscope.cn/Org/Tiny:Q4_0":                                                  "ms://Org/Tiny:Q4_0",
		"hf://Org/Tiny@v1":                                                             "Org/Tiny@v1",
		"ms://Org/Tiny":                                                                "ms://Org/Tiny",
	} {
		if ref, err := hub.ParsePage(text); err != nil || ref.String() != want {
			t.Errorf("%s is %v, %v, want %s", text, ref, err, want)
		}
	}
	for _, text := range []string{
		"https://example.com/Org/Tiny", "https://modelscope.cn/datasets/Org/Tiny", "https://modelscope.cn/models/Org/Tiny/feedback",
		"https://huggingface.co/Org", "https://huggingface.co/datasets/Org/Tiny", "https://huggingface.co/Org/Tiny/discussions/1",
		"https://huggingface.co/Org/Tiny/tree/main/onnx", "https://huggingface.co.example.com/Org/Tiny",
	} {
		if ref, err := hub.ParsePage(text); !errors.Is(err, hub.ErrRef) {
			t.Errorf("%s is %v, %v", text, ref, err)
		}
	}
}
