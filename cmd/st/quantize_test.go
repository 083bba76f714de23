package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/format/outfile"
)

// full returns the trained model of testdata in the checkpoint's own type.
func full(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "full.stm")
	must(t, "convert", checkpoint, "-o", path, "--type", "bf16", "--quiet")
	return path
}

func TestQuantize(t *testing.T) {
	in := full(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.stm"), filepath.Join(dir, "2.stm")
	for _, recipe := range [][]string{
		{}, {"--encoder", "rtn"}, {"--preset", "fine"}, {"--type", "q8_0", "--experts", "q4_0", "--lm-head", "q4_0", "--embed", "f16"},
	} {
		must(t, append([]string{"convert", checkpoint, "-o", one, "--force", "--quiet"}, recipe...)...)
		must(t, append([]string{"quantize", in, two, "--force", "--quiet", "--threads", "1"}, recipe...)...)
		a, _ := os.ReadFile(one)
		b, _ := os.ReadFile(two)
		if len(a) == 0 || string(a) != string(b) {
			t.Errorf("%v: st convert makes %d bytes, by way of bf16 st quantize makes others, %d", recipe, len(a), len(b))
		}
	}
	if text := must(t, "inspect", two); !strings.Contains(text, "q8_0") {
		t.Error(text)
	}
	o := st("quantize", tiny(t), two, "--force", "--embed", "q4_0")
	const copied = "note: all weights have these types already: they are as they were\n"
	if o.code != exitOK || o.stdout != "" || !strings.Contains(o.stderr, "1 tensor was q8_0 already") || strings.Contains(o.stderr, copied) {
		t.Errorf("%+v", o)
	}
	if o := st("quantize", two, one, "--force", "--type", "q4_0", "--embed", "q4_0"); o.code != exitOK || !strings.Contains(o.stderr, copied) {
		t.Errorf("to the types that it has: %+v", o)
	}
}

func TestQuantizeReport(t *testing.T) {
	in, out := full(t), filepath.Join(t.TempDir(), "out.stm")
	text := must(t, "quantize", in, out, "--report", "--quiet")
	for _, want := range []string{"class ", "lm-head", "5 experts", "worst tensors", "model.layers."} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	r := mustJSON[convertReport](t, "quantize", in, out, "--report", "--json", "--force", "--quiet", "--encoder", "rtn").Report
	if r == nil || len(r.Classes) != 4 || len(r.Layers) != 12 || len(r.Worst) != worstTensors {
		t.Fatalf("%+v", r)
	}
	for i, row := range r.Worst {
		if i > 0 && row.RelativeRMS > r.Worst[i-1].RelativeRMS {
			t.Errorf("%+v comes after %+v", row, r.Worst[i-1])
		}
	}
	for _, row := range r.Classes {
		low, high := 0.05, 0.12
		if row.Name == "embed" {
			low, high = 0.003, 0.01
		}
		if row.RelativeRMS < low || row.RelativeRMS > high || row.Weights == 0 || row.MaxError <= 0 {
			t.Errorf("%+v", row)
		}
	}
}

// What is measured on a text makes better weights of the same size.
func TestCalibrate(t *testing.T) {
	in, dir := full(t), t.TempDir()
	stats, out := filepath.Join(dir, "stats.safetensors"), filepath.Join(dir, "out.stm")
	r := mustJSON[calibrateReport](t, "calibrate", in, "--text", heldout(t, 4000), "-o", stats, "--covariance", "--json", "--quiet")
	if r.Output != stats || r.Tokens < 1000 || r.Experts != 96 || r.Rare == 0 || r.FewestTokens > r.MedianTokens || r.TokensPerSecond <= 0 {
		t.Errorf("%+v", r)
	}
	o := st("calibrate", in, "--text", heldout(t, 8000), "-o", filepath.Join(dir, "long"), "--ctx", "5000")
	if o.code != exitOK || !strings.Contains(o.stderr, "windows of 1024 tokens, which is the model's context") {
		t.Errorf("windows beyond the context: %+v", o)
	}
	if o := st("calibrate", in, "--text", heldout(t, 400), "-o", stats); o.code != exitFailure || !strings.Contains(o.stderr, "use --force") {
		t.Errorf("over a file: %+v", o)
	}
	plain := filepath.Join(dir, "plain.safetensors")
	must(t, "calibrate", in, "--text", heldout(t, 400), "-o", plain, "--quiet")
	o = st("quantize", in, out, "--encoder", "gptq", "--calibration", plain)
	if says := "st: plain.safetensors has no covariances: the encoder gptq needs a calibration with them: st calibrate --covariance makes one\n"; o.code != exitFailure || o.stderr != says {
		t.Errorf("gptq without covariances: %+v", o)
	}
	for _, encoder := range []string{"search", "gptq"} {
		must(t, "quantize", in, out, "--encoder", encoder, "--calibration", stats, "--force", "--quiet")
		must(t, "inspect", out, "--verify", "--quiet")
	}
	sizeOf := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if a, b := sizeOf(out), sizeOf(tiny(t)); a != b {
		t.Errorf("%d bytes, without calibration %d", a, b)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--encoder", "search", "--memory", "1GiB"}, exitUsage, "--memory is for --encoder gptq without --calibration"},
		{[]string{"--encoder", "rtn", "--calibration", stats}, exitUsage, "rtn weighs nothing"},
		{[]string{"--encoder", "best"}, exitUsage, "one of rtn, search, gptq"},
		{[]string{"--preset", "tiny"}, exitUsage, "choose one of smallest, fast, balanced, fine, precise"},
		{[]string{"--preset", "fast", "--type", "q4_0"}, exitUsage, "exclude each other"},
		{[]string{"--calibration", in}, exitFailure, "not a safetensors file"},
		{[]string{"--calibration", filepath.Join(dir, "none")}, exitFailure, "no such file"},
	} {
		o := st(append([]string{"quantize", in, out, "--force"}, tt.args...)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%v: %+v, want %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
}

// What another run keeps, which calibrates a model for the same output, is not told of as this one's.
func TestCalibratesElsewhere(t *testing.T) {
	model, out := full(t), filepath.Join(t.TempDir(), "x.stm")
	other, err := outfile.Create(out+".calibration", outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Abort()
	if err := os.WriteFile(out+".calibration.json", []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if o := st("quantize", model, out, "--encoder", "gptq"); o.code != exitFailure || strings.Contains(o.stderr, "is kept") || !strings.Contains(o.stderr, "is being written by another process") {
		t.Errorf("%+v", o)
	}
}

// A type that is better than the source's is refused with the flag that chooses another one.
func TestQuantizePrecision(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "q8.stm"), filepath.Join(dir, "x.stm")
	must(t, "convert", checkpoint, "-o", in, "--type", "q8_0", "--quiet")
	for flags, want := range map[string]string{
		"--attn f16":                "self_attn.q_proj.weight is q8_0, and as f16 it would be larger but no better: choose another type with --attn, or begin with a file that is more precise",
		"--experts f16":             "choose another type with --experts, or",
		"--down f16":                "choose another type with --down, or",
		"--embed f32":               "tensor model.embed_tokens.weight is f16, and as f32 it would be larger but no better: choose another type with --embed, or",
		"--type f32 --embed f16":    "tensor model.embed_tokens.weight, of which the head is made too, is f16, and as f32 it would be larger but no better: choose another type with --type, or with --lm-head for these tensors, or",
		"--lm-head f32":             "choose another type with --lm-head, or",
		"--type f16 --lm-head q8_0": "choose another type with --type, or with --attn for these tensors, or",
	} {
		o := st(append([]string{"quantize", in, out}, strings.Fields(flags)...)...)
		if o.code != exitFailure || !strings.Contains(o.stderr, want) || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: %+v\nwant %s", flags, o, want)
		}
	}
}

// What the error of weights that are not finite advises is what st quantize can do, too.
func TestQuantizeNotFinite(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.stm"), filepath.Join(dir, "out.stm")
	tensor := "model.layers.5.block_sparse_moe.experts.1.up.weight"
	must(t, "convert", checkpointWith(t, tensor, 0x7fc0), "-o", in, "--type", "bf16", "--allow-nonfinite", "--quiet")
	o := st("quantize", in, out)
	if o.code != exitFailure || !strings.Contains(o.stderr, tensor) || !strings.Contains(o.stderr, "--allow-nonfinite converts it all the same") {
		t.Errorf("%+v", o)
	}
	must(t, "quantize", in, out, "--allow-nonfinite", "--quiet")
	must(t, "inspect", out, "--verify")
}
