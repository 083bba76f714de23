package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
)

// A model goes to a GGUF file and back, and predicts the same.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	first, file, second := filepath.Join(dir, "a.stm"), filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.stm")
	must(t, "convert", checkpoint, "-o", first, "--type", "bf16", "--quiet")
	o := st("export", first, "-o", file)
	if o.code != exitOK || o.stdout != "" || !strings.HasPrefix(o.stderr, file+": 62 tensors, ") || !strings.Contains(o.stderr, "\nnote: llama.cpp computes with a sliding window") {
		t.Errorf("%+v", o)
	}
	if o := st("export", first, "-o", file); o.code != exitFailure || !strings.Contains(o.stderr, "use --force") {
		t.Errorf("over a file: %+v", o)
	}
	r := mustJSON[exportReport](t, "export", first, "-o", file, "--force", "--json", "--threads", "1", "--quiet")
	if info, err := os.Stat(file); err != nil || r.Output != file || r.OutputBytes != info.Size() || r.Tensors != 62 || r.SourceBytes == 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
	shown := mustJSON[report.Checkpoint](t, "inspect", file, "--json")
	if shown.Architecture == nil || shown.Architecture.Layers != 6 || shown.Unsupported != "" || !strings.Contains(must(t, "inspect", file), "\nst convert takes it\n") {
		t.Errorf("%+v", shown)
	}
	must(t, "convert", file, "-o", second, "--type", "bf16", "--quiet")
	logits := func(model string) string {
		npy := model + ".npy"
		must(t, "logits", model, "--tokens", "1 2 3 4", "-o", npy, "--quiet")
		data, err := os.ReadFile(npy)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if logits(first) != logits(second) {
		t.Error("the logits differ")
	}
	if a, b := must(t, "tokenize", first, "To be, or not to be"), must(t, "tokenize", second, "To be, or not to be"); a != b {
		t.Errorf("the tokens are %s, were %s", b, a)
	}
	for _, args := range [][]string{{"export", first}, {"export", first, "-o", "-"}, {"export", "-o", file}, {"export", first, "-o", file, "--down", "q5"}} {
		if o := st(args...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

// A quantized GGUF file keeps its types unless a type is named.
func TestConvertGGUF(t *testing.T) {
	dir := t.TempDir()
	first, file, second := filepath.Join(dir, "a.stm"), filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.stm")
	must(t, "convert", checkpoint, "-o", first, "--type", "q8_0", "--quiet")
	o := st("export", first, "-o", file, "--down", "f16")
	if o.code != exitOK || !strings.Contains(o.stderr, "blocks of one output: stored as f16") {
		t.Errorf("%+v", o)
	}
	r := mustJSON[convertReport](t, "convert", file, "-o", second, "--json", "--quiet")
	if r.Type != "q8_0" {
		t.Errorf("%+v", r)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{{[]string{"--type", "f32"}, "f32"}, {[]string{"--preset", "smallest"}, "q4_0"}, {[]string{"--down", "q4_0"}, "q8_0"}} {
		args := append([]string{"convert", file, "-o", second, "--json", "--quiet", "--force"}, tt.args...)
		if r := mustJSON[convertReport](t, args...); r.Type != tt.want {
			t.Errorf("%v: %+v", tt.args, r)
		}
	}
	if err := os.WriteFile(file, []byte("GGUF\x03\x00\x00\x00"), 0o666); err != nil {
		t.Fatal(err)
	}
	if o := st("convert", file, "-o", second, "--force"); o.code != exitFailure || !strings.HasPrefix(o.stderr, "st: "+file+": ") || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("a header that is cut short: %+v", o)
	}
}
