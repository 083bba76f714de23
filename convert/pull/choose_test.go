package pull

import (
	"errors"
	"strings"
	"testing"

	"st/convert"
	"st/convert/hub"
	"st/quant"
)

// TestChoose: names of GGUF files as they are published.
func TestChoose(t *testing.T) {
	smallThinker := "SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.gguf SmallThinker-4B-A0.6B-Instruct-QAT.Q8_0.gguf SmallThinker-4B-A0.6B-Instruct-QAT.Q4_K_M.gguf " +
		"SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.powerinfer.gguf README.md"
	unsloth := "Qwen3-30B-A3B-Q4_K_M.gguf Qwen3-30B-A3B-UD-Q4_K_XL.gguf Qwen3-30B-A3B-Q8_0.gguf BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf " +
		"BF16/Qwen3-30B-A3B-BF16-00002-of-00002.gguf imatrix_unsloth.gguf mmproj-F16.gguf"
	gemma := "gemma-3-4b-it.Q8_0.gguf gemma-3-4b-it.f16.gguf gemma-3-4b-it.mmproj-Q8_0.gguf gemma-3-4b-it.mmproj-f16.gguf"
	for _, tt := range []struct {
		files, quant string
		typ          quant.Type
		want         string
		same         bool
		err          error
	}{
		{smallThinker, "", quant.Q4_0, "SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.gguf", true, nil},
		{smallThinker, "", quant.Q8_0, "SmallThinker-4B-A0.6B-Instruct-QAT.Q8_0.gguf", true, nil},
		{smallThinker, "", quant.F16, "SmallThinker-4B-A0.6B-Instruct-QAT.Q8_0.gguf", false, nil},
		{smallThinker, "q4_k_m", quant.Q4_0, "SmallThinker-4B-A0.6B-Instruct-QAT.Q4_K_M.gguf", false, nil},
		{smallThinker, "Q5_K_M", quant.Q4_0, "", false, ErrQuant},
		{smallThinker, "SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.powerinfer", quant.Q4_0, "SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.powerinfer.gguf", true, nil},
		{unsloth, "", quant.Q4_0, "BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf", false, nil},
		{unsloth, "UD-Q4_K_XL", quant.Q4_0, "Qwen3-30B-A3B-UD-Q4_K_XL.gguf", false, nil},
		{unsloth, "BF16", quant.Q4_0, "BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf", false, nil},
		{gemma, "Q8_0", quant.Q4_0, "gemma-3-4b-it.Q8_0.gguf", false, nil},
		{gemma, "", quant.Q4_0, "gemma-3-4b-it.f16.gguf", false, nil},
		{"tiny-mmproj-f16.gguf tiny-q4_k_m.gguf", "", quant.Q4_0, "tiny-q4_k_m.gguf", false, nil},
		{"a-Q4_0.gguf mtp-a-Q4_0.gguf MTP/mtp-a-Q8_0.gguf", "", quant.Q4_0, "a-Q4_0.gguf", true, nil},
		{"a-MTP-Q4_0.gguf a-MTP-Q8_0.gguf", "Q8_0", quant.Q4_0, "a-MTP-Q8_0.gguf", false, nil},
		{"model.safetensors a-Q4_0.gguf", "", quant.Q4_0, "", false, nil},
		{"model.safetensors a-Q4_0.gguf", "Q4_0", quant.Q4_0, "a-Q4_0.gguf", true, nil},
		{"model.safetensors config.json", "Q4_0", quant.Q4_0, "", false, ErrNoGGUF},
		{"a-Q4_0.gguf b-Q4_0.gguf", "Q4_0", quant.Q4_0, "", false, ErrQuant},
		{"a-Q4_0.gguf b-Q4_0.gguf", "b-Q4_0", quant.Q4_0, "b-Q4_0.gguf", true, nil},
		{"a-fp16.gguf b-q8_0.gguf", "F16", quant.Q4_0, "a-fp16.gguf", false, nil},
		{"a-F16.gguf b-q8_0.gguf", "fp16", quant.Q4_0, "a-F16.gguf", false, nil},
		{"a-fp16.gguf b-q8_0.gguf", "", quant.F16, "a-fp16.gguf", true, nil},
		{unsloth, "q4_k_xl", quant.Q4_0, "Qwen3-30B-A3B-UD-Q4_K_XL.gguf", false, nil},
		{unsloth, "Q5_K_XL", quant.Q4_0, "", false, ErrQuant},
		{"model.gguf", "", quant.Q4_0, "model.gguf", false, nil},
		{"pytorch_model.bin config.json", "", quant.Q4_0, "", false, nil},
		{"adapter_model.safetensors README.md", "", quant.Q4_0, "", false, ErrNoModel},
		{"README.md", "", quant.Q4_0, "", false, ErrNoModel},
	} {
		repo := &hub.Repository{ID: "a/b", Ref: hub.Ref{Org: "a", Name: "b", Quant: tt.quant}}
		for f := range strings.FieldsSeq(tt.files) {
			repo.Files = append(repo.Files, hub.File{Path: f})
		}
		got, same, err := choose(repo, &convert.Options{Recipe: convert.Recipe{Type: tt.typ}})
		if got != tt.want || same != tt.same || !errors.Is(err, tt.err) {
			t.Errorf("%.40s… %q %s: %q, the same type %t, %v", tt.files, tt.quant, tt.typ, got, same, err)
		}
	}
}

// TestChooseFolders: a repository whose weights lie in folders is told so.
func TestChooseFolders(t *testing.T) {
	repo := &hub.Repository{ID: "a/b", Files: []hub.File{{Path: "README.md"}, {Path: "step-100/model.safetensors"}}}
	if _, _, err := choose(repo, &convert.Options{}); !errors.Is(err, ErrNoModel) || !strings.Contains(err.Error(), "in folders, as step-100/model.safetensors") {
		t.Errorf("error is %v", err)
	}
}

// TestChooseAdapter: a repository that has weights, but of an adapter, is told so.
func TestChooseAdapter(t *testing.T) {
	repo := &hub.Repository{ID: "a/b", Files: []hub.File{{Path: "adapter_config.json"}, {Path: "adapter_model.safetensors"}}}
	if _, _, err := choose(repo, &convert.Options{}); !errors.Is(err, ErrNoModel) || !strings.Contains(err.Error(), "LoRA adapter") {
		t.Error(err)
	}
}

// TestChooseOneOfSeveral has several files of one type: the error tells the names by which one is asked for.
func TestChooseOneOfSeveral(t *testing.T) {
	repo := &hub.Repository{ID: "a/b", Files: []hub.File{{Path: "x/one-Q4_0.gguf"}, {Path: "x/two-Q4_0.gguf"}, {Path: "two-Q8_0.gguf"}}}
	_, _, err := choose(repo, &convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	if want := "a/b has no one GGUF file of that type, Q4_0: it has one-Q4_0.gguf, two-Q4_0.gguf"; !errors.Is(err, ErrQuant) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	repo.Ref.Quant = "two-Q4_0.gguf"
	if file, _, err := choose(repo, &convert.Options{}); file != "x/two-Q4_0.gguf" || err != nil {
		t.Errorf("%s, %v", file, err)
	}
}
