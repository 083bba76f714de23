package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/runtime"
	"st/runtime/bench"
)

// remembering turns on, for a test, that experts are remembered, in a directory of its own, which it returns.
func remembering(t *testing.T) string {
	t.Helper()
	t.Setenv(rememberVariable, "on")
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // of Linux, macOS and Windows
		t.Setenv(name, t.TempDir())
	}
	return cacheDir("experts")
}

// A run begins with the experts that earlier ones used, and tells so; measurements do not change what is remembered.
func TestRememberedExperts(t *testing.T) {
	dir := remembering(t)
	// Nothing that varies with the machine is measured here.
	generate := []string{"generate", tiny(t), "-p", "It was the best of times", "-n", "20", "--seed", "7", "--memory", "1GiB", "--lookup", "off", "--json", "--quiet"}
	first := mustJSON[generateReport](t, generate...)
	if first.Known != nil {
		t.Errorf("at first this is known: %+v", first.Known)
	}
	tokens := int64(first.PromptTokens + first.GenTokens - 1) // the last one is not run
	check := func(what string, known *runtime.KnownExperts, runs int64) {
		t.Helper()
		if known == nil || known.Source != runtime.LearnedExperts || known.Runs != runs || known.Tokens != runs*tokens || filepath.Dir(known.File) != dir {
			t.Errorf("%s: this is known: %+v, want %d tokens of %d runs", what, known, runs*tokens, runs)
		}
	}
	second := mustJSON[generateReport](t, generate...)
	check("generate", second.Known, 1)
	if second.Text != first.Text {
		t.Errorf("the text is %q, and was %q", second.Text, first.Text)
	}
	for range 2 {
		b := mustJSON[bench.Report](t, "bench", tiny(t), "--memory", "1GiB", "--prompt", "8", "--gen", "4", "--repeat", "1", "--json", "--quiet")
		check("bench", b.Known, 2)
	}
	if o := st("bench", tiny(t), "--memory", "1GiB", "--prompt", "8", "--gen", "4", "--repeat", "1"); !strings.Contains(o.stdout, "remembered of 2 earlier runs\n") {
		t.Errorf("bench: %+v", o)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("It was the best of times. ", 20)), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "eval", tiny(t), "--text", text, "--ctx", "32", "--memory", "1GiB")
	must(t, "logits", tiny(t), "--tokens", "1,2,3", "-o", filepath.Join(t.TempDir(), "l.npy"), "--memory", "1GiB")

	uses := mustJSON[report.File](t, "inspect", tiny(t), "--json").ExpertUses
	if uses == nil || uses.Recorded != nil || uses.Remembered == nil || uses.Remembered.Runs != 2 || uses.Remembered.Tokens != 2*tokens || filepath.Dir(uses.Remembered.File) != dir {
		t.Fatalf("inspect: %+v", uses)
	}
	if out := must(t, "inspect", tiny(t)); !strings.Contains(out, "remembered") || !strings.Contains(out, "of 2 runs used, the last on 2") {
		t.Errorf("inspect: %s", out)
	}
	plan := mustJSON[report.File](t, "inspect", tiny(t), "--cache-plan", "--disk-bandwidth", "1GB", "--disk-latency", "100us", "--disk-queue", "4", "--json").CachePlan
	if plan.Source != "remembered usage" || plan.Tokens != 2*tokens {
		t.Errorf("a plan is of %d tokens by %s", plan.Tokens, plan.Source)
	}

	if len(plan.Doubts) == 0 || !strings.HasPrefix(plan.Doubts[0], fmt.Sprintf("only %d tokens were counted, ", 2*tokens)) || !strings.HasSuffix(plan.Doubts[0], ": 256 would do") {
		t.Errorf("of few tokens %q is doubtful", plan.Doubts)
	}

	o := st("generate", tiny(t), "-p", "It was", "-n", "2", "--memory", "1GiB", "--stats")
	if o.code != exitOK || !strings.Contains(o.stderr, "known      the experts that "+plural(int(2*tokens), "token")+" used most, as remembered of 2 earlier runs\n") {
		t.Errorf("%+v", o)
	}
	if err := os.WriteFile(uses.Remembered.File, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := strings.Join(strings.Fields(must(t, "inspect", tiny(t))), " "); !strings.Contains(out, "is damaged, and the next run replaces it") {
		t.Errorf("a damaged file: %s", out)
	}
	if err := os.Remove(uses.Remembered.File); err != nil {
		t.Fatal(err)
	}
	if again := mustJSON[generateReport](t, generate...); again.Known != nil || again.Text != first.Text {
		t.Errorf("it was not forgotten: %+v", again.Known)
	}
}

// What two tokens used says nothing of a speed.
func TestPlanOfFewTokens(t *testing.T) {
	remembering(t)
	must(t, "generate", tiny(t), "-p", "It", "-n", "2", "--memory", "1GiB", "--quiet")
	if o := st("inspect", tiny(t), "--cache-plan"); o.code != exitFailure || !strings.Contains(o.stderr, "tokens were counted, and 16 are needed: give a --trace") {
		t.Errorf("%+v", o)
	}
}

// What is off reads and writes nothing, and without a bound there is nothing to remember.
func TestRememberNothing(t *testing.T) {
	dir := remembering(t)
	none := func(what string) {
		t.Helper()
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the directory is there: %v", what, err)
		}
	}
	must(t, "generate", tiny(t), "-p", "It was", "-n", "2")
	none("without a bound")
	t.Setenv(rememberVariable, "off")
	must(t, "generate", tiny(t), "-p", "It was", "-n", "2", "--memory", "1GiB")
	none("off")
	t.Setenv(rememberVariable, "never")
	for _, args := range [][]string{{"generate", tiny(t), "-p", "x"}, {"bench", tiny(t)}, {"serve", tiny(t)}, {"inspect", tiny(t)}} {
		if o := st(args...); o.code != exitUsage || !strings.Contains(o.stderr, `ST_REMEMBER_EXPERTS is "never"`) {
			t.Errorf("%v: %+v", args, o)
		}
	}
	none("a value that is none")
}

// A directory that cannot be written to keeps nothing, and nobody hears of it.
func TestRememberNowhere(t *testing.T) {
	dir := remembering(t)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if o := st("generate", tiny(t), "-p", "It was", "-n", "2", "--memory", "1GiB", "--quiet"); o.code != exitOK || o.stderr != "" {
			t.Errorf("%+v", o)
		}
	}
}
