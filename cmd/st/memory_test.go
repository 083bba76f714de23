package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/tables"
	"st/cmd/internal/terminal"
	"st/format"
	"st/runtime"
)

// A budget changes what is reported, and not the text.
func TestMemory(t *testing.T) {
	args := []string{"generate", tiny(t), "-p", "It was the best of times", "-n", "30", "--seed", "7", "--json", "--quiet"}
	free := mustJSON[generateReport](t, args...)
	bound := mustJSON[generateReport](t, append(args, "--memory", "1GiB")...)
	if free.Text != bound.Text {
		t.Errorf("with --memory the text is %q, without %q", bound.Text, free.Text)
	}
	if free.MemoryBudget != 0 || bound.MemoryBudget != 1<<30 || bound.HitRate <= 0 || bound.HitRate > 1 || bound.BytesRead <= 0 {
		t.Errorf("%+v", bound.Residency)
	}
	if free.Reads != nil || bound.Reads == nil || *bound.Reads != (runtime.Reads{Depth: 4, Source: "default"}) {
		t.Errorf("a file that is too short to measure its disk with is read by %+v, and %+v without a budget", bound.Reads, free.Reads)
	}
	if short := mustJSON[generateReport](t, append(args, "--ctx", "99")...); free.Context != 1024 || short.Context != 99 {
		t.Errorf("context is %d, and %d with --ctx 99", free.Context, short.Context)
	}
	o := st(append(args[:len(args)-1], "--memory", "1MiB")...)
	if o.code != exitFailure || !strings.Contains(o.stderr, "this model needs") || !strings.Contains(o.stderr, "program and tokenizer") {
		t.Errorf("a budget that is too small: %+v", o)
	}
	if o := st("generate", tiny(t), "-p", "x", "--memory", "much"); o.code != exitUsage || !strings.Contains(o.stderr, "1GiB") {
		t.Errorf("a size that is none: %+v", o)
	}
	if o := st("bench", tiny(t), "--memory", "1GiB", "--prompt", "8", "--gen", "4", "--repeat", "1"); o.code != exitOK || !strings.Contains(o.stdout, "budget     1.0 GiB") || !strings.Contains(o.stdout, "the disk wants 4 records in flight (the default)") {
		t.Errorf("bench: %+v", o)
	}
}

// A command says which budget was chosen, and if one is more than there is.
func TestMemoryNote(t *testing.T) {
	const mebibyte = 1 << 20
	for _, tt := range []struct {
		memory runtime.Memory
		auto   bool
		want   string
	}{
		{runtime.Memory{Needed: 40 * mebibyte}, false, ""},
		{runtime.Memory{Needed: 40 * mebibyte, Allowed: 30 * mebibyte, Source: "a test", Budget: 28 * mebibyte, Chosen: true}, false,
			"note: tiny.stm needs 40 MiB, and a test allows 30 MiB: running as with --memory 28MiB"},
		{runtime.Memory{Needed: 40 * mebibyte, Budget: 41 * mebibyte, Chosen: true, Unmapped: true}, false,
			"note: the file system does not map tiny.stm into memory: reading it, as with --memory 41MiB"},
		{runtime.Memory{Needed: 40 * mebibyte, Allowed: 30 * mebibyte, Source: "a test", Budget: 1 << 30}, false,
			"note: --memory 1GiB is more than a test allows, 30 MiB: the system may end the program"},
		{runtime.Memory{Needed: 40 * mebibyte, Allowed: 50 * mebibyte, Source: "a test", Budget: 1 << 30}, false, ""},
		{runtime.Memory{Needed: 40 * mebibyte, Allowed: 30 * mebibyte, Source: "a test", Budget: 28 * mebibyte, Chosen: true}, true,
			"note: tiny.stm needs 40 MiB, and a test allows 30 MiB: running as with --memory 28MiB, less while other programs need memory"},
		{runtime.Memory{Needed: 40 * mebibyte, Allowed: 50 * mebibyte, Source: "a test"}, true,
			"note: tiny.stm needs 40 MiB, and a test allows 50 MiB: no bound, the file is mapped into memory"},
		{runtime.Memory{Needed: 40 * mebibyte}, true, "note: tiny.stm needs 40 MiB, and how much there is is not known: no bound, the file is mapped into memory"},
	} {
		if got := memoryNote("dir/tiny.stm", tt.memory, tt.auto); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.memory, got, tt.want)
		}
	}
}

// What a command takes besides the model is part of the budget.
func TestMemoryOfCommand(t *testing.T) {
	a, _, _ := testApp()
	f := engineFlags{Options: runtime.Options{Memory: 1 << 30}}
	for _, other := range []int64{0, 2 << 30} {
		f.other = func(*format.Config) int64 { return other }
		m, err := a.openModel(t.Context(), tiny(t), f)
		if (other == 0) != (err == nil) || other > 0 && !errors.Is(err, runtime.ErrMemory) {
			t.Errorf("a command that takes %d: %v", other, err)
		}
		if err == nil {
			m.close(&err)
		}
	}
	// Covariances of the model take 1.8 MB. What a process takes besides varies a little.
	text := heldout(t, 700)
	need := func(args ...string) float64 {
		least := math.Inf(1)
		for range 5 {
			o := stAlone(t, append([]string{"calibrate", tiny(t), "--text", text, "-o", filepath.Join(t.TempDir(), "x"), "--memory", "1MiB"}, args...)...)
			_, after, ok := strings.Cut(o.stderr, "program and tokenizer ")
			mebibytes := 0.
			if _, err := fmt.Sscanf(after, "%fMiB", &mebibytes); !ok || err != nil {
				t.Fatalf("%+v, %v", o, err)
			}
			least = min(least, mebibytes)
		}
		return least
	}
	if without, with := need(), need("--covariance"); with < without+1 {
		t.Errorf("other memory is %g MiB, and %g MiB with --covariance", without, with)
	}
}

// planAlone returns what inspect tells in a process of its own, which makes a plan.
func planAlone(t *testing.T, args ...string) *report.File {
	t.Helper()
	var f report.File
	if o := stAlone(t, args...); json.Unmarshal([]byte(o.stdout), &f) != nil || f.CachePlan == nil {
		t.Fatalf("%+v", o)
	}
	return &f
}

// checkSmallest compares the smallest budgets that inspect, a plan, a list and the refusals of a run and of a server name: they are one, which works, and less is
// refused.
func checkSmallest(t *testing.T, model string, f *report.File) {
	t.Helper()
	t.Setenv("ST_MODELS", filepath.Dir(model))
	var list listReport
	if o := stAlone(t, "list", "--json"); json.Unmarshal([]byte(o.stdout), &list) != nil || len(list.Models) != 1 {
		t.Fatalf("%+v", o)
	}
	refusal := func(memory string, args ...string) (needs int64) {
		t.Helper()
		o := stAlone(t, append(args, "--memory", memory)...)
		_, after, _ := strings.Cut(o.stderr, "this model needs ")
		if _, err := fmt.Sscanf(after, "%dMiB", &needs); err != nil || o.code != exitFailure {
			t.Fatalf("%v: %+v", args, o)
		}
		return needs << 20
	}
	run := []string{"generate", model, "-p", "It", "-n", "2"}
	smallest := f.Memory.Budgets[0].Memory
	named := []int64{f.CachePlan.Plans[0].Memory, list.Models[0].Smallest, refusal("1MiB", run...), refusal(fmt.Sprintf("%dMiB", smallest>>20-1), run...),
		refusal("1MiB", "serve", model, "--addr", "127.0.0.1:0")}
	for _, n := range named {
		if n != smallest {
			t.Errorf("inspect says %d; a plan, a list, a run, one with a MiB less, and a server say %d", smallest, named)
			break
		}
	}
	for _, b := range f.Memory.Budgets { // what the table says can be typed
		if o := stAlone(t, append(run, "--memory", fmt.Sprintf("%dMiB", b.Memory>>20))...); o.code != exitOK {
			t.Errorf("%+v: %+v", b, o)
		}
	}
}

// A trace that was written is what a plan is made of, and so is the usage recorded in the file.
func TestCachePlan(t *testing.T) {
	dir := t.TempDir()
	model, trace := filepath.Join(dir, "m.stm"), filepath.Join(dir, "m.trace")
	data, err := os.ReadFile(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(model, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if o := st("inspect", model, "--cache-plan"); o.code != exitFailure || !strings.Contains(o.stderr, "--record-experts") {
		t.Errorf("nothing is known yet: %+v", o)
	}
	o := st("generate", model, "-p", "It was the best of times", "-n", "40", "--seed", "1", "--trace", trace, "--record-experts")
	if o.code != exitOK || !strings.Contains(o.stderr, "recorded in "+model) {
		t.Fatalf("%+v", o)
	}
	if o := st("generate", model, "-p", "It", "-n", "2", "--trace", trace); o.code != exitFailure || !strings.Contains(o.stderr, "exists") {
		t.Errorf("a trace that exists: %+v", o)
	}
	r, err := format.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	usage, err := r.Usage()
	r.Close()
	if err != nil || usage == nil || usage.Tokens < 40 {
		t.Fatalf("recorded: %+v, %v", usage, err)
	}
	for _, args := range [][]string{{"--trace", trace}, nil} {
		all := append([]string{"inspect", model, "--cache-plan", "--json"}, args...)
		if args == nil { // the disk was measured for the other plan
			all = append(all, "--disk-bandwidth", "1GB", "--disk-latency", "100us", "--disk-queue", "4")
		}
		f := planAlone(t, all...)
		plan := f.CachePlan
		if len(plan.Plans) == 0 || plan.DiskSpeed <= 0 || plan.MemorySpeed <= 0 {
			t.Fatalf("%v: %+v", args, plan)
		}
		for i, p := range plan.Plans {
			if p.Memory%(1<<20) != 0 {
				t.Errorf("%v: a budget of %d bytes is not what the table says", args, p.Memory)
			}
			if p.HitRate < 0 || p.HitRate > 1 || p.TokensPerSecond <= 0 || args != nil && p.Bound < p.HitRate {
				t.Errorf("%v: %+v", args, p)
			}
			if s := p.Simulated; (s != nil) != (args != nil) || s != nil && (s.TokensPerSecond <= 0 || s.Wait < 0 || s.DiskBusy < 0 || s.DiskBusy > 1 || s.Vain > s.Reads ||
				s.Tokens != plan.Generated || s.Tokens < 35 || p.Later != nil) {
				t.Errorf("%v: simulated %+v, later %+v", args, s, p.Later)
			}
			if i > 0 && (p.Memory <= plan.Plans[i-1].Memory || p.Experts < plan.Plans[i-1].Experts || p.HitRate < plan.Plans[i-1].HitRate-0.01) {
				t.Errorf("%v: more memory is worse: %+v after %+v", args, p, plan.Plans[i-1])
			}
		}
		if (plan.Computing > 0) != (args != nil) {
			t.Errorf("%v: computing takes %g s", args, plan.Computing)
		}
		var text bytes.Buffer // of the same plan: measuring again takes seconds
		tables.CachePlan(&text, terminal.ScreenOf(&text), plan)
		for _, s := range []string{"waiting  disk busy", "generated;", "too short for a long text"} {
			if strings.Contains(text.String(), s) != (args != nil) {
				t.Errorf("%v: %q in\n%s", args, s, text.String())
			}
		}
		if args == nil {
			checkSmallest(t, model, f)
		}
		if last := plan.Plans[len(plan.Plans)-1]; last.Experts != plan.Experts {
			t.Errorf("%v: the largest budget keeps %d experts of %d", args, last.Experts, plan.Experts)
		}
	}
	if o := st("inspect", model, "--verify"); o.code != exitOK {
		t.Errorf("the file is not intact after recording: %+v", o)
	}
	// A file that cannot be written to has its record beside it.
	if err := os.Chmod(model, 0o444); err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(model, os.O_RDWR, 0); err == nil {
		f.Close()
		t.Skip("who runs this can write to any file")
	}
	if o := st("generate", model, "-p", "It", "-n", "4", "--record-experts"); o.code != exitOK || !strings.Contains(o.stderr, "m.stm.experts") {
		t.Errorf("%+v", o)
	}
	// If nothing can be written, that is told before the run.
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if o := st("generate", model, "-p", "It", "-n", "4", "--record-experts"); o.code != exitFailure || o.stdout != "" ||
		strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "leave out --record-experts") {
		t.Errorf("%+v", o)
	}
}

// What is no trace of the model is refused, with what it is and what to do.
func TestCachePlanRefuses(t *testing.T) {
	dir := t.TempDir()
	other, broken, short, times := filepath.Join(dir, "other"), filepath.Join(dir, "broken"), filepath.Join(dir, "short"), filepath.Join(dir, "times")
	must(t, "generate", tiny(t), "-p", "It was the best of times, it was the worst of times", "-n", "3", "--trace", short)
	for path, text := range map[string]string{
		other:  `{"layers":1,"experts":4,"top_k":1}` + "\n" + `{"experts":[1]}` + "\n",
		times:  "[\n",
		broken: `{"layers":6,"experts":16,"top_k":4}` + "\n" + `{"batch":0,"exp`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ trace, want string }{
		{other, other + " is of a model with 1 layers of 4 experts, 1 active"},
		{other, tiny(t) + " has 6 of 16, 4 active: record it anew"},
		{broken, broken + ": line 2: "},
		{times, times + ": this is no trace of the experts that tokens chose: its first line does not tell how many experts a model has: st generate --trace FILE writes one"},
		{dir, dir + " is not a regular file"},
		{filepath.Join(dir, "none"), "no such file"},
		{short, short + ": the trace is too short to tell anything of a speed: it has 2 generated tokens that count, and 16 are needed: record a longer text"},
	} {
		o := st("inspect", tiny(t), "--cache-plan", "--trace", tt.trace)
		if o.code != exitFailure || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.trace, o, tt.want)
		}
	}
}

// A model whose record of the use of experts is damaged is intact.
func TestDamagedUsage(t *testing.T) {
	model := filepath.Join(t.TempDir(), "m.stm")
	data, err := os.ReadFile(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, s := range r.Sections() {
		if s.Name == "expert_usage" {
			data[s.Offset+100] = 1
		}
	}
	if err := os.WriteFile(model, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if o := st("inspect", model, "--verify"); o.code != exitOK || !strings.HasPrefix(o.stdout, "ok: ") ||
		!strings.Contains(o.stderr, "--record-experts replaces it; the model is intact") {
		t.Errorf("%+v", o)
	}
	must(t, "generate", model, "-p", "It", "-n", "2", "--record-experts")
	must(t, "generate", model, "-p", "It", "-n", "2", "--record-experts") // the other copy
	if o := st("inspect", model, "--verify"); o.code != exitOK || o.stderr != "" {
		t.Errorf("after recording twice: %+v", o)
	}
}

// A text counts in the budget with its tokens, whatever command runs it, and one that cannot fit is not even read to its end.
func TestMemoryOfText(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "text")
	if err := os.WriteFile(file, []byte(strings.Repeat("To be, or not to be. ", 1<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"generate", tiny(t), "-f", file}, {"generate", tiny(t), "--chat", "-f", file}, {"eval", tiny(t), "--text", file},
		{"calibrate", tiny(t), "--text", file, "-o", filepath.Join(dir, "x")}, {"inspect", tiny(t), "--run", "--text", file},
		{"bench", tiny(t), "--text", file},
	} {
		o := st(append(args, "--memory", "160MiB", "--quiet")...)
		if want := "text: the text is too long: --memory 160MiB leaves room for 10 MiB at most"; o.code != exitFailure || !strings.Contains(o.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, o, want)
		}
	}
	endless := &zeros{}
	var stdout, stderr strings.Builder
	if code := run([]string{"generate", tiny(t), "--memory", "160MiB"}, endless, &stdout, &stderr); code != exitFailure || endless.read > 16<<20 {
		t.Errorf("exit code %d after %d bytes: %s", code, endless.read, stderr.String())
	}
	// A text that can be read may still be too long.
	if o := st("generate", tiny(t), "-p", strings.Repeat("To be, ", 100), "--memory", "1GiB", "-n", "1", "--quiet"); o.code != exitOK {
		t.Errorf("%+v", o)
	}
	a, _, _ := testApp()
	if _, err := a.openModel(t.Context(), tiny(t), engineFlags{Options: runtime.Options{Memory: 1 << 30}, text: 1 << 26}); !errors.Is(err, runtime.ErrMemory) {
		t.Errorf("a text of 64 MiB: %v", err)
	}
}

// zeros is an endless text.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	z.read += len(p)
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
