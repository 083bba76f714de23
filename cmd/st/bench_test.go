package main

import (
	"math"
	"slices"
	"testing"

	"strings"

	"st/runtime"
	"st/runtime/bench"
)

func TestBench(t *testing.T) {
	r := mustJSON[bench.Report](t, "bench", tiny(t), "--depth", "5", "--prompt", "20", "--gen", "7", "--repeat", "3", "--threads", "2",
		"--profile", "--json", "--quiet")
	if r.PromptTokens != 20 || r.GenTokens != 7 || r.Depth != 5 || r.Threads != 2 || r.ISA != runtime.ISA() || r.KVType != "f16" {
		t.Errorf("%+v", r)
	}
	if len(r.PromptRuns) != 3 || len(r.GenRuns) != 3 || !slices.Contains(r.PromptRuns, r.PromptPerSecond) ||
		!slices.Contains(r.GenRuns, r.GenPerSecond) || slices.Min(r.GenRuns) <= 0 {
		t.Errorf("speeds are %v and %v, medians %v and %v", r.PromptRuns, r.GenRuns, r.PromptPerSecond, r.GenPerSecond)
	}
	// The first run brought every expert that the others use into memory, more or less.
	if r.HitRate < 0.5 || r.HitRate > 1 || r.NeuronDensity <= 0 || r.NeuronDensity >= 1 || r.PeakRSSBytes < r.ModelBytes/2 || r.LoadSeconds <= 0 {
		t.Errorf("%+v", r)
	}
	// A token reads all of the dense part, less the embedding table, and some of the experts.
	if r.WeightBytes < float64(r.ModelBytes)/10 || r.WeightBytes > float64(r.ModelBytes) ||
		math.Abs(r.WeightSpeed-r.WeightBytes*r.GenPerSecond) > 1e-6*r.WeightSpeed {
		t.Errorf("%v bytes a token of %v, %v a second", r.WeightBytes, r.ModelBytes, r.WeightSpeed)
	}
	if r.Jobs < float64(len(r.Profile)) {
		t.Errorf("%v jobs a token", r.Jobs)
	}
	var stages []string
	var prompt, gen float64
	for _, s := range r.Profile {
		stages = append(stages, s.Stage)
		prompt, gen = prompt+s.Prompt, gen+s.Gen
	}
	want := []string{"embed", "router", "qkv", "kv", "attention", "output", "norm", "experts", "sum", "head", "sample"}
	if !slices.Equal(stages, want) {
		t.Errorf("stages are %v, want %v", stages, want)
	}
	if prompt <= 0 || gen <= 0 || r.Bandwidth != nil {
		t.Errorf("profile of %v and %v µs a token; %+v", prompt, gen, r)
	}
}

func TestBenchPrints(t *testing.T) {
	o := st("bench", tiny(t), "--prompt", "8", "--gen", "3", "--repeat", "1", "--profile", "--text", heldout(t, 100))
	if o.code != exitOK {
		t.Fatal(o)
	}
	for _, want := range []string{"model      tiny.stm", "prompt     8 tokens: ", "generated  3 tokens: ", "weights    ", "KV cache   ", "% active", "experts", "sample", "\njobs       "} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is missing:\n%s", want, o.stdout)
		}
	}
	if o := st("bench", tiny(t), "--prompt", "0", "--depth", "3", "--gen", "2", "--repeat", "1"); o.code != exitOK || strings.Contains(o.stdout, "\nprompt") {
		t.Errorf("without a prompt: %+v", o)
	}
	r := mustJSON[bench.Report](t, "bench", tiny(t), "--prompt", "4", "--gen", "0", "--repeat", "1", "--json", "--quiet")
	if r.Reading.Time != 0 || len(r.GenRuns) != 0 || r.PromptPerSecond <= 0 {
		t.Errorf("nothing was generated: %+v", r)
	}
}

// What would have no effect is wrong usage.
func TestBenchUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"bench", "--bandwidth", "--sparse-head"}, "--sparse-head needs a model"},
		{[]string{"bench", "--bandwidth", "--gen", "3"}, "--gen needs a model"},
		{[]string{"bench", tiny(t), "--prompt", "8", "--gen", "0", "--parallel", "2"}, "--gen must be more than 0"},
	} {
		if o := st(tt.args...); o.code != exitUsage || !strings.Contains(o.stderr, tt.want) || o.stdout != "" {
			t.Errorf("%v: %+v", tt.args, o)
		}
	}
}

func TestBenchBandwidth(t *testing.T) {
	if testing.Short() {
		t.Skip("reads gigabytes of memory")
	}
	r := mustJSON[bench.Bandwidth](t, "bench", "--bandwidth", "--threads", "2", "--json")
	var threads []int
	for _, b := range r.Speeds {
		threads = append(threads, b.Threads)
		if b.BytesPerSecond <= 0 {
			t.Errorf("%d threads read %v bytes a second", b.Threads, b.BytesPerSecond)
		}
	}
	if !slices.Equal(threads, []int{1, 2}) {
		t.Errorf("measured with %v threads", threads)
	}
}
