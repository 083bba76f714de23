package main

import (
	"fmt"
	"io"
	"slices"

	"st/runtime/bench"
)

func printBandwidth(w io.Writer, b *bench.Bandwidth) {
	for _, s := range b.Speeds {
		fmt.Fprintf(w, "memory     %.1f GB/s read by %s, from %s\n", s.BytesPerSecond/1e9, plural(s.Threads, "thread"), size(b.Buffer))
	}
}

func printBench(w io.Writer, name string, r *bench.Report) {
	fmt.Fprintf(w, "model      %s, %s, loaded in %.2f s, %s, %s\n", name, size(r.ModelBytes), r.LoadSeconds, plural(r.Threads, "thread"), r.ISA)
	printSpeeds(w, r)
	if r.Lookup != nil {
		printLookup(w, r.Lookup)
	}
	printTraffic(w, r)
	fmt.Fprintf(w, "memory     peak %s\n", size(r.PeakRSSBytes))
	printResidency(w, &r.Residency)
	if r.GenTokens > 0 {
		printReading(w, &r.Residency, &r.Reading)
	}
	if r.HeadRows > 0 {
		fmt.Fprintf(w, "head       %.1f %% of the rows computed\n", 100*r.HeadRows)
	}
	if r.NeuronDensity > 0 { // a dense activation has none that are not
		fmt.Fprintf(w, "neurons    %.1f %% active\n", 100*r.NeuronDensity)
	}
	if r.Profile != nil {
		printProfile(w, r)
	}
}

// printSpeeds prints how fast a prompt was read, and one sequence or several were generated.
func printSpeeds(w io.Writer, r *bench.Report) {
	line := func(label string, tokens int, speed float64, runs []float64) {
		if len(runs) > 0 {
			fmt.Fprintf(w, "%-10s %s: %.1f tokens/s, median of %d (%.1f to %.1f)\n", label, plural(tokens, "token"),
				speed, len(runs), slices.Min(runs), slices.Max(runs))
		}
	}
	line("prompt", r.PromptTokens, r.PromptPerSecond, r.PromptRuns)
	line("generated", r.GenTokens, r.GenPerSecond, r.GenRuns)
	for _, p := range r.Parallel {
		fmt.Fprintf(w, "%-10s %s at once: %.1f tokens/s together\n", "parallel", plural(p.Sequences, "sequence"), p.PerSecond)
	}
}

// printLookup prints what guessing tokens is worth.
func printLookup(w io.Writer, l *bench.Lookup) {
	fmt.Fprintf(w, "lookup     passes of")
	for i, c := range l.Passes {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, " %d: %.2f", c.Rows, c.Relative)
	}
	fmt.Fprintf(w, " times that of one row (%.1f ms)\n", l.Passes[0].Seconds*1e3)
	fmt.Fprintf(w, "           the text: %s guessed, %d right (%.0f %%), in %d passes for %s: %.2f times as fast\n", plural(l.Drafted, "token"), l.Accepted,
		100*float64(l.Accepted)/float64(max(1, l.Drafted)), l.Steps, plural(l.Tokens, "token"), l.Speedup)
}

// printTraffic prints what a generated token reads from memory and, where memory was measured, what speed that allows.
func printTraffic(w io.Writer, r *bench.Report) {
	if r.GenTokens > 0 {
		fmt.Fprintf(w, "weights    %.1f MB a generated token, %.1f GB/s\n", r.WeightBytes/1e6, r.WeightSpeed/1e9)
		fmt.Fprintf(w, "KV cache   %.1f MB a generated token\n", r.KVBytes/1e6)
	}
	if r.Bandwidth != nil {
		printBandwidth(w, r.Bandwidth)
		best := r.Speeds[len(r.Speeds)-1].BytesPerSecond
		if r.GenTokens > 0 {
			limit := best / (r.WeightBytes + r.KVBytes)
			fmt.Fprintf(w, "limit      %.1f tokens/s by memory, %.0f %% reached\n", limit, 100*r.GenPerSecond/limit)
		}
	}
}

// printProfile prints how long each stage of a token takes.
func printProfile(w io.Writer, r *bench.Report) {
	fmt.Fprintln(w)
	var prompt, gen float64
	for _, s := range r.Profile {
		prompt, gen = prompt+s.Prompt, gen+s.Gen
	}
	t := newTable("stage", ">prompt µs/token", ">%", ">generated µs/token", ">%")
	for _, s := range append(r.Profile, bench.Stage{Stage: "total", Prompt: prompt, Gen: gen}) {
		t.AppendRow([]any{s.Stage, fmt.Sprintf("%.1f", s.Prompt), percent(s.Prompt, prompt), fmt.Sprintf("%.1f", s.Gen), percent(s.Gen, gen)})
	}
	printTable(w, t)
	if r.GenTokens > 0 {
		fmt.Fprintf(w, "\njobs       %.1f shared by the threads for a generated token\n", r.Jobs)
	}
}

func percent(part, whole float64) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100*part/whole)
}
