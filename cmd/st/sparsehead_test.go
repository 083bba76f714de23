package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/cmd/internal/report"
	"st/convert/checkpoint/ckpttest"
	"st/runtime/eval"
)

// withPredictor converts the trained model with a random predictor of its head.
func withPredictor(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := ckpttest.CopyWithPredictor(dir, checkpoint, 4096, 192, 32); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sparse.stm")
	must(t, "convert", dir, "-o", path, "--quiet")
	return path
}

// What the head's rows cost is told beside a perplexity of all rows.
func TestEvalSparseHead(t *testing.T) {
	model, text := withPredictor(t), heldout(t, 3000)
	args := []string{"eval", model, "--text", text, "--ctx", "128", "--json", "--quiet"}
	plain := mustJSON[eval.Report](t, args...)
	all := mustJSON[eval.Report](t, append(args, "--sparse-head=-inf")...)
	some := mustJSON[eval.Report](t, append(args, "--sparse-head")...)
	few := mustJSON[eval.Report](t, append(args, "--sparse-head=1e9")...)
	one := mustJSON[eval.Report](t, append(args, "--sparse-head=1e9", "--decode")...)
	if plain.Head != nil || all.Perplexity != plain.Perplexity || few.Perplexity != plain.Perplexity {
		t.Errorf("%+v, with all rows %+v, with few %+v", plain, all, few)
	}
	if h := all.Head; h.Rows != 100 || h.TopMissed != 0 || h.NextMissed != 0 || h.KLMax != 0 {
		t.Errorf("all rows: %+v", h)
	}
	if h := few.Head; h.Rows != 100*256./4096 || h.TopMissed < 10 || h.NextMissed < 10 || h.KLMean <= 0.1 || h.KLMax < h.KL99 {
		t.Errorf("the fewest rows: %+v", h)
	}
	if h := some.Head; h.Rows <= few.Head.Rows || h.Rows >= 100 || h.KLMean >= few.Head.KLMean {
		t.Errorf("rows above -2: %+v", h)
	}
	if h := one.Head; h.Rows != few.Head.Rows || h.TopMissed > few.Head.TopMissed+3 || h.TopMissed < few.Head.TopMissed-3 {
		t.Errorf("one at a time %+v, together %+v", h, few.Head)
	}
	if o := st("eval", model, "--text", text, "--ctx", "128", "--sparse-head"); o.code != exitOK || !strings.Contains(o.stdout, "\nrows ") ||
		!strings.Contains(o.stdout, "\nKL(rows) ") {
		t.Errorf("%+v", o)
	}
	if o := st("eval", tiny(t), "--text", text, "--sparse-head"); o.code != exitFailure || !strings.Contains(o.stderr, "has no predictor") {
		t.Errorf("%+v", o)
	}
	if o := st("eval", model, "--text", text, "--sparse-head=nan"); o.code != exitUsage {
		t.Errorf("%+v", o)
	}
}

// A token reads the predictor with --sparse-head only: without it, it reads what it would of a model that has none.
func TestInspectPredictor(t *testing.T) {
	with, without := mustJSON[report.File](t, "inspect", withPredictor(t), "--json"), mustJSON[report.File](t, "inspect", tiny(t), "--json")
	if diff := cmp.Diff(without.Token, with.Token); diff != "" {
		t.Errorf("what a token reads (-without +with a predictor):\n%s", diff)
	}
	if text := must(t, "inspect", withPredictor(t)); !strings.Contains(text, "\nlm_head predictor  q8_0 ") {
		t.Error(text)
	}
}

// --sparse-head leaves rows out of texts and of answers: the text is another one, and that of all rows the same.
func TestSparseHead(t *testing.T) {
	model := withPredictor(t)
	for _, args := range [][]string{
		{"generate", model, "-p", "The king said", "-n", "20", "--seed", "7", "--quiet"},
		{"run", model, "The king said", "-n", "20", "--seed", "7", "--quiet"},
	} {
		plain := must(t, args...)
		if all := must(t, append(args, "--sparse-head=-inf")...); all != plain {
			t.Errorf("%v: %q, and of all rows %q", args, plain, all)
		}
		if few := must(t, append(args, "--sparse-head=1e9")...); few == plain {
			t.Errorf("%v: no row is left out: %q", args, few)
		}
	}
}
