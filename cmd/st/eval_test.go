package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"st/runtime/eval"
)

// heldout writes the first n bytes of text that the tiny model was not trained on to a file.
func heldout(t *testing.T, n int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkpoint, "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, text[:n], 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEval(t *testing.T) {
	r := mustJSON[eval.Report](t, "eval", tiny(t), "--text", heldout(t, 8000), "--ctx", "256", "--json", "--quiet")
	if r.Context != 256 || r.Windows != r.Tokens/256 || r.ScoredTokens != r.Windows*127 || r.Divergence != nil {
		t.Errorf("%+v", r)
	}
	// Recorded; another order of summation may move the last digits.
	const recorded = 85.3
	if math.Abs(r.Perplexity-recorded) > 0.01*recorded || math.Abs(math.Log(r.Perplexity)-r.NLLMean) > 1e-9 ||
		r.StandardError < 0.02*recorded || r.StandardError > 0.1*recorded {
		t.Errorf("perplexity %.4f ± %.4f, mean %.4f: recorded was %v", r.Perplexity, r.StandardError, r.NLLMean, recorded)
	}
}

func TestEvalWindows(t *testing.T) {
	text := heldout(t, 700)
	for _, tt := range []struct{ ctx, stdout, stderr string }{
		{"64", "in 3 windows of 64\n", "tokens make no whole window and are left out"},
		{"512", "in 1 window of 210\n", "has only 210 tokens: one shorter window"},
		{"4096", "in 1 window of 210\n", "windows of 1024 tokens, which is the model's context"},
	} {
		o := st("eval", tiny(t), "--text", text, "--ctx", tt.ctx)
		if o.code != exitOK || !strings.HasPrefix(o.stdout, "perplexity ") || !strings.HasSuffix(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) {
			t.Errorf("--ctx %s: %+v", tt.ctx, o)
		}
	}
}

// Memory is asked for a window, not for the model's context.
func TestEvalMemory(t *testing.T) {
	o := st("eval", tiny(t), "--text", heldout(t, 700), "--ctx", "16", "--memory", "1MiB")
	if o.code != exitFailure || !strings.Contains(o.stderr, "with a context of 16 ") {
		t.Errorf("%+v", o)
	}
}

// Scored tokens that are run one at a time are as likely; within a budget experts are missing, fewer of them where others stand in.
func TestEvalDecode(t *testing.T) {
	text := heldout(t, 3000)
	args := []string{"eval", tiny(t), "--text", text, "--ctx", "128", "--json", "--quiet"}
	batch := mustJSON[eval.Report](t, args...)
	one := mustJSON[eval.Report](t, append(args, "--decode")...)
	if batch.Decode != nil || one.Decode == nil || one.Decode.UsesPerToken != 24 || math.Abs(one.NLLMean-batch.NLLMean) > 0.01 {
		t.Errorf("%+v, one at a time %+v: %+v", batch, one, one.Decode)
	}
	few := mustJSON[eval.Report](t, append(args, "--decode", "--experts-per-token", "2")...)
	if few.Decode.UsesPerToken != 12 || few.NLLMean == one.NLLMean {
		t.Errorf("two experts a token: %+v, %+v", few, few.Decode)
	}
	const share = "0.3"
	all := mustJSON[eval.Report](t, append(args, "--prefer-cached", share)...)
	if all.NLLMean != one.NLLMean {
		t.Errorf("with all experts in memory --prefer-cached changes the mean: %v, %v", all.NLLMean, one.NLLMean)
	}
	if o := st("eval", tiny(t), "--text", text, "--prefer-cached", share); !strings.Contains(o.stderr, "no effect without a --memory") {
		t.Errorf("%+v", o)
	}
	for _, tt := range [][2]string{{"--experts-per-token", "17"}, {"--experts-per-token", "-1"}, {"--prefer-cached", "1.5"}, {"--prefer-cached", "x"}} {
		if o := st("eval", tiny(t), "--text", text, tt[0], tt[1]); o.code == exitOK || strings.Count(o.stderr, "\n") > 2 ||
			!strings.Contains(o.stderr, "1 to 16") && o.code != exitUsage {
			t.Errorf("%v: %+v", tt, o)
		}
	}
}

// saved returns the f32 model and its logits over a text.
func saved(t *testing.T) (model, text, logits string) {
	t.Helper()
	dir := t.TempDir()
	model, text, logits = filepath.Join(dir, "f32.stm"), heldout(t, 8000), filepath.Join(dir, "f32.logits")
	must(t, "convert", checkpoint, "-o", model, "--type", "f32", "--quiet")
	o := st("eval", model, "--text", text, "--ctx", "256", "--save-logits", logits)
	if o.code != exitOK || !strings.Contains(o.stderr, logits+": logits of 1,143 positions, 9.0 MiB\n") {
		t.Fatalf("%+v", o)
	}
	return model, text, logits
}

// Logits that were not written are not told of.
func TestEvalUnsaved(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "x.logits")
	o := st("eval", tiny(t), "--text", heldout(t, 700), "--ctx", "64", "--save-logits", missing)
	if o.code != exitFailure || strings.Contains(o.stderr, "logits of") || !strings.Contains(o.stderr, "st: create "+missing) {
		t.Errorf("into a directory that is none: %+v", o)
	}
}

func TestEvalBase(t *testing.T) {
	f32, text, logits := saved(t)
	plain := mustJSON[eval.Report](t, "eval", f32, "--text", text, "--ctx", "256", "--json", "--quiet")
	self := mustJSON[eval.Report](t, "eval", f32, "--base", logits, "--json", "--quiet")
	d := self.Divergence
	if self.Perplexity != plain.Perplexity || self.Windows != plain.Windows || self.Context != 256 || self.Tokens != 256*self.Windows {
		t.Errorf("with a base %+v, without %+v", self, plain)
	}
	if d.BasePerplexity != plain.Perplexity || d.BaseStandardError != plain.StandardError || d.Ratio != 1 || d.RatioStandardError != 0 ||
		d.KLMean > 1e-7 || d.KLMin < 0 || d.KLMax > 1e-7 || d.SameTop != 100 || d.DeltaP != 0 || d.DeltaPRMS != 0 {
		t.Errorf("a model against itself: %+v", d)
	}

	q4 := mustJSON[eval.Report](t, "eval", tiny(t), "--base", logits, "--text", text, "--json", "--quiet")
	d = q4.Divergence
	if d.BasePerplexity != plain.Perplexity || math.Abs(d.Ratio-q4.Perplexity/plain.Perplexity) > 1e-12 || q4.Tokens != plain.Tokens {
		t.Errorf("q4_0 against f32: %+v, %+v", q4, d)
	}
	// Recorded, within what another CPU's kernels may change.
	if d.KLMean < 0.006 || d.KLMean > 0.015 || d.SameTop < 88 || d.SameTop > 95 || d.DeltaPRMS < 0.8 || d.DeltaPRMS > 3 ||
		!(d.KLMin < d.KLMedian && d.KLMedian < d.KL90 && d.KL90 < d.KL99 && d.KL99 < d.KL999 && d.KL999 < d.KLMax) {
		t.Errorf("q4_0 against f32: %+v", d)
	}
	one := mustJSON[eval.Report](t, "eval", tiny(t), "--base", logits, "--json", "--quiet", "--threads", "1")
	if q4.NLLMean != one.NLLMean || *q4.Divergence != *one.Divergence {
		t.Errorf("with one thread %+v, otherwise %+v", one.Divergence, q4.Divergence)
	}
	out := must(t, "eval", tiny(t), "--base", logits)
	for _, want := range []string{"\nbase       ", "; ratio 1.0", "\nKL         mean 0.0", "\nsame top   ", "\nΔp         mean "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// Logits can be saved while they are compared.
func TestEvalBaseAndSave(t *testing.T) {
	_, _, logits := saved(t)
	again := logits + ".q4"
	first := mustJSON[eval.Report](t, "eval", tiny(t), "--base", logits, "--save-logits", again, "--json", "--quiet")
	self := mustJSON[eval.Report](t, "eval", tiny(t), "--base", again, "--json", "--quiet")
	if self.Divergence.BasePerplexity != first.Perplexity || self.Divergence.SameTop != 100 {
		t.Errorf("%+v, %+v", first, self.Divergence)
	}
	if names := list(t, filepath.Dir(logits)); len(names) != 3 {
		t.Errorf("left behind: %v", names)
	}
}

func TestEvalFailures(t *testing.T) {
	_, text, logits := saved(t)
	dir := filepath.Dir(logits)
	data, err := os.ReadFile(logits)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, change func([]byte) []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, change(bytes.Clone(data)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged := change("damaged", func(b []byte) []byte { b[len(b)-9000] ^= 1; return b })
	truncated := change("truncated", func(b []byte) []byte { return b[:len(b)-1] })
	const recordSize = 2*4096 + 8 + 4 + 8 // codes, nll, top and checksum, as runtime/eval describes
	le := binary.LittleEndian
	nan := change("nan", func(b []byte) []byte { // its checksum is right
		r := b[len(b)-recordSize:]
		le.PutUint64(r[2*4096:], math.Float64bits(math.NaN()))
		le.PutUint64(r[recordSize-8:], xxh3.Hash(r[:recordSize-8]))
		return b
	})
	header := func(name string, vocab, window int, fingerprint uint64) string { // and records of zeros
		return change(name, func([]byte) []byte {
			b := []byte("STLOGITS")
			for _, n := range []int{1, vocab, window, 1} {
				b = le.AppendUint32(b, uint32(n))
			}
			b = append(le.AppendUint64(b, fingerprint), make([]byte, 4*window)...)
			b = le.AppendUint64(b, xxh3.Hash(b))
			return append(b, make([]byte, (window-1-window/2)*(2*vocab+20))...)
		})
	}
	vocab := header("vocab", 4095, 4, 0)
	tokenizer := header("tokenizer", 4096, 4, 1)
	long := header("long", 4096, 2000, le.Uint64(data[24:]))
	other := heldout(t, 9000)
	latin := change("latin", func([]byte) []byte { return []byte("caf\xe9") })
	before := list(t, dir)
	for _, tt := range []struct{ args, want string }{
		{"--base " + damaged, "damaged is damaged: the checksum of record 1142 differs: save it again"},
		{"--base " + nan, "nan is damaged: the checksum of record 1143 differs"},
		{"--base " + truncated, "truncated is truncated: it has"},
		{"--base " + text, "holds no logits"},
		{"--base nowhere", "open nowhere: no such file"},
		{"--base " + vocab, "has logits for a vocabulary of 4095, " + tiny(t) + " has one of 4096"},
		{"--base " + tokenizer, "was made with another tokenizer"},
		{"--base " + long, "has windows of 2000 tokens, " + tiny(t) + " a context of 1024"},
		{"--base " + logits + " --ctx 128", "has windows of 256 tokens, which --ctx 128 cannot change"},
		{"--base " + logits + " --text " + other, "is not the text of " + logits + ": it has 11 windows of 256 tokens, not 9 of 256"},
		{"--base " + logits + " --text " + filepath.Join(checkpoint, "config.json"), "is not the text of " + logits + ": its token 0 is"},
		{"--text " + latin, "is not a text"},
		{"--text " + text + " --save-logits " + logits, "exists: use --force"},
		{"--base " + logits + " --save-logits " + logits + " --force", "is an input"},
		{"--text " + text + " --save-logits " + text + " --force", "is an input"},
		{"--text " + text + " --save-logits " + filepath.Join(dir, "no", "x"), "no such file"},
		{"--base " + damaged + " --save-logits " + filepath.Join(dir, "x"), "is damaged"},
	} {
		o := st(strings.Fields("eval " + tiny(t) + " -q " + tt.args)...)
		if o.code != exitFailure || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%s: exit code %d, standard output %q, standard error\n%swant %q", tt.args, o.code, o.stdout, o.stderr, tt.want)
		}
	}
	if after := list(t, dir); len(after) != len(before) {
		t.Errorf("failures left %v", after)
	}
	must(t, "eval", tiny(t), "--text", text, "--ctx", "256", "--save-logits", logits, "--force", "-q")
}

// checkpointWith returns a copy of the small checkpoint in which each weight of a tensor of the second shard is the BF16 number of these bits.
func checkpointWith(t *testing.T, tensor string, bits uint16) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(checkpoint)); err != nil {
		t.Fatal(err)
	}
	shard := filepath.Join(dir, "model-00002-of-00002.safetensors")
	data, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	header := binary.LittleEndian.Uint64(data)
	var tensors map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(data[8:8+header], &tensors); err != nil {
		t.Fatal(err)
	}
	at := tensors[tensor].Offsets
	weights := data[8+int(header):][at[0]:at[1]]
	for i := 0; i < len(weights); i += 2 {
		binary.LittleEndian.PutUint16(weights[i:], bits)
	}
	if err := os.WriteFile(shard, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A model whose final norm is NaN has no finite logits.
func TestEvalNotFinite(t *testing.T) {
	dir := checkpointWith(t, "model.norm.weight", 0x7fc0)
	out := t.TempDir()
	model := filepath.Join(out, "nan.stm")
	must(t, "convert", dir, "-o", model, "--allow-nonfinite", "--quiet")
	o := st("eval", model, "--text", heldout(t, 700), "--save-logits", filepath.Join(out, "x"), "-q")
	if o.code != exitFailure || o.stdout != "" || !strings.Contains(o.stderr, model+": the model's logits are not finite") {
		t.Errorf("%+v", o)
	}
	if names := list(t, out); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// A model that finds every token all but impossible has a perplexity beyond the largest number: in JSON, which has no word for that, it is null.
func TestEvalHugePerplexity(t *testing.T) {
	dir := t.TempDir()
	model, text, saved := filepath.Join(dir, "huge.stm"), heldout(t, 700), filepath.Join(dir, "logits")
	must(t, "convert", checkpointWith(t, "model.norm.weight", 0x4600), "-o", model, "--quiet") // 8192
	if out := must(t, "eval", model, "--text", text, "--save-logits", saved, "-q"); !strings.HasPrefix(out, "perplexity +Inf ± ") {
		t.Error(out)
	}
	own := mustJSON[map[string]any](t, "eval", model, "--text", text, "--json")
	nll, _ := own["nll_mean"].(float64)
	if v, there := own["perplexity"]; !there || v != nil || own["standard_error"] != nil || nll < 1000 || own["windows"] != 1. {
		t.Errorf("%v", own)
	}
	other := mustJSON[map[string]any](t, "eval", tiny(t), "--base", saved, "--json")
	d, _ := other["divergence"].(map[string]any)
	if v, there := d["base_perplexity"]; !there || v != nil || d["perplexity_ratio"] != 0. || d["kl_mean"] == nil || other["perplexity"] == nil {
		t.Errorf("%v", other)
	}
}

// A pipe that nobody writes to is not waited for.
func TestEvalPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("pipes have no place in the file system")
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Fatal(err)
	}
	if o := st("eval", tiny(t), "--base", pipe); o.code != exitFailure || !strings.Contains(o.stderr, pipe+" is not a regular file") {
		t.Errorf("--base: %+v", o)
	}
	for _, args := range [][]string{
		{"eval", tiny(t), "--text", pipe},
		{"generate", tiny(t), "-f", pipe},
		{"calibrate", tiny(t), "--text", pipe, "-o", pipe + ".out"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- runContext(ctx, args, strings.NewReader(""), io.Discard, io.Discard) }()
		cancel()
		if code := <-done; code != exitInterrupted {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

// Names of special tokens in a text are text, as llama-perplexity has it.
func TestEvalSpecialTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("the end<|im_end|>", 10)), 0o644); err != nil {
		t.Fatal(err)
	}
	ids, err := parseIDs(must(t, "tokenize", tiny(t), "--no-special", strings.Repeat("the end<|im_end|>", 10)))
	if err != nil {
		t.Fatal(err)
	}
	r := mustJSON[eval.Report](t, "eval", tiny(t), "--text", path, "--json", "--quiet")
	if r.Tokens != len(ids) {
		t.Errorf("the text has %d tokens, as text %d", r.Tokens, len(ids))
	}
}
