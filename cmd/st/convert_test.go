package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert/modeltest"
)

func TestConvert(t *testing.T) {
	target := filepath.Join(t.TempDir(), "x.stm")
	o := st("convert", checkpoint, "-o", target)
	if o.code != exitOK || o.stdout != "" || !strings.Contains(o.stderr, "became") {
		t.Errorf("exit code %d, standard output %q, standard error %q", o.code, o.stdout, o.stderr)
	}
	r := mustJSON[convertReport](t, "convert", checkpoint, "-o", target, "--type", "f16", "--force", "--json", "--threads", "1")
	if r.Output != target || r.Type != "f16" || r.Tensors != 332 || r.SourceBytes != 10462080 || r.OutputBytes < r.SourceBytes ||
		r.Seconds <= 0 || r.SourceBytesPerSecond <= 0 || len(r.Fallbacks) != 0 || r.Notes == nil {
		t.Errorf("%+v", r)
	}
	if o := st("convert", checkpoint, "-o", target, "--force", "--quiet"); o != (outcome{}) {
		t.Errorf("with --quiet: %+v", o)
	}
}

// What a run with gptq has kept beside an output stays, and is named, when the output is made without gptq. What it had only begun to write goes.
func TestConvertKeepsCalibration(t *testing.T) {
	output := filepath.Join(t.TempDir(), "a.stm")
	draft, journal, temporary := output+".draft.stm", output+".calibration.json", output+".calibration.2147483646-1.tmp" // no process has this number
	for path, text := range map[string]string{draft: "x", journal: "{}", temporary: ""} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	o := st("convert", checkpoint, "-o", output)
	if got := list(t, filepath.Dir(output)); o.code != exitOK || !slices.Equal(got, []string{"a.stm", filepath.Base(journal), filepath.Base(draft)}) {
		t.Errorf("it left %v: %+v", got, o)
	}
	for _, want := range []string{temporary + ", ", "has kept " + journal + ", " + draft + ": the same command with gptq goes on with them"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("no %q in %s", want, o.stderr)
		}
	}
}

// With gptq and without a calibration the model calibrates itself, also one that has no tokenizer. The report has the stages.
func TestConvertSelfCalibrated(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	model := modeltest.New(modeltest.Shape{Layers: 1, Hidden: 64, Heads: 1, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 32,
		Vocab: 64, Context: 64}, 1)
	if err := model.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(out, name) }
	o := st("convert", dir, "-o", path("a.stm"), "--encoder", "gptq", "--json")
	// Lines of progress come with time, so a quick machine prints none.
	if want := "the disk needs about"; o.code != exitOK || !strings.Contains(o.stderr, want) || strings.Contains(o.stderr, "more than --memory") {
		t.Errorf("exit code %d, standard error\n%s\ndoes not contain %q", o.code, o.stderr, want)
	}
	small := st("quantize", dir2stm(t, dir), path("b.stm"), "--encoder", "gptq", "--memory", "1MiB")
	if want := "of memory to run, and gets it: that is more than --memory 1MiB\n"; small.code != exitOK || strings.Count(small.stderr, want) != 1 {
		t.Errorf("%+v, want %q", small, want)
	}
	var r convertReport
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range r.Stages {
		if names = append(names, s.Name); s.Seconds <= 0 {
			t.Errorf("%+v", s)
		}
	}
	if !slices.Equal(names, []string{"draft", "text", "calibrate", "encode"}) {
		t.Errorf("stages %v", names)
	}
	if got := list(t, out); len(got) != 2 {
		t.Errorf("it left %v", got)
	}
	if out := must(t, "diff", path("a.stm"), path("b.stm")); !strings.Contains(out, "the same: all tensors") {
		t.Error(out)
	}
}

// dir2stm converts a checkpoint without loss.
func dir2stm(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "full.stm")
	must(t, "convert", dir, "-o", path, "--type", "f32", "--quiet")
	return path
}

func TestConvertFallbacks(t *testing.T) {
	dir := t.TempDir()
	model := modeltest.New(modeltest.Shape{Layers: 1, Hidden: 40, Heads: 1, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 32,
		Vocab: 64, Context: 16}, 1)
	if err := model.Write(dir); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "x.stm")
	o := st("convert", dir, "-o", target, "--type", "q8_0")
	for _, want := range []string{"tensors have rows of 40 weights, which q8_0 cannot hold: stored as f16\n", "has no tokenizer.json"} {
		if o.code != exitOK || !strings.Contains(o.stderr, want) {
			t.Errorf("exit code %d, standard error\n%s\ndoes not contain %q", o.code, o.stderr, want)
		}
	}
	r := mustJSON[convertReport](t, "convert", dir, "-o", target, "--type", "q8_0", "--force", "--json")
	if len(r.Fallbacks) == 0 || r.Fallbacks[0].RowLength != 40 || r.Fallbacks[0].Asked == r.Fallbacks[0].Used || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
	// The model has no tokenizer and no template: what needs none works, the rest says so.
	if out := must(t, "inspect", target); !strings.Contains(out, "runs on token ids only") {
		t.Error(out)
	}
	must(t, "logits", target, "--tokens", "1 2", "-o", filepath.Join(dir, "x.npy"), "--quiet")
	for _, args := range [][]string{{"generate", target, "-p", "x"}, {"tokenize", target, "x"}, {"eval", target, "--text", filepath.Join(dir, "config.json")}} {
		if o := st(args...); o.code != exitFailure || !strings.Contains(o.stderr, "has no tokenizer") {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
