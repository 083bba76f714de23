package main

import (
	"fmt"
	"time"

	"st/runtime"
	"st/runtime/process"
)

// generateReport is what st generate --json prints.
type generateReport struct {
	Text            string             `json:"text"`
	StopReason      runtime.StopReason `json:"stop_reason"`
	PromptTokens    int                `json:"prompt_tokens"`
	CachedTokens    int                `json:"cached_tokens"`
	GenTokens       int                `json:"gen_tokens"`
	ForcedTokens    int                `json:"forced_tokens"`
	Drafted         int                `json:"drafted"`
	Accepted        int                `json:"accepted"`
	Unfinished      bool               `json:"unfinished"`
	Tokens          []int32            `json:"tokens"`
	Context         int                `json:"context"`
	Seed            uint64             `json:"seed"`
	Threads         int                `json:"threads"`
	ISA             string             `json:"isa"`
	LoadSeconds     float64            `json:"load_seconds"`
	FirstToken      float64            `json:"time_to_first_token_seconds"`
	PromptPerSecond float64            `json:"prompt_tokens_per_second"`
	GenPerSecond    float64            `json:"gen_tokens_per_second"`
	NeuronDensity   float64            `json:"neuron_density"`
	ModelBytes      int64              `json:"model_bytes"`
	KVBytes         int64              `json:"kv_bytes"`
	PeakRSSBytes    int64              `json:"peak_rss_bytes"`
	runtime.Residency
	Reading runtime.Reading `json:"gen_reading"`
}

// newGenerateReport reports a text that was generated since a moment, its prompt left out.
func newGenerateReport(m *runtime.Model, r *runtime.Result, since runtime.Mark) generateReport {
	stats := m.Stats()
	return generateReport{
		Text: r.Text, StopReason: r.Stop, Unfinished: r.Unfinished, Tokens: append([]int32{}, r.Tokens...),
		PromptTokens: r.PromptTokens, CachedTokens: r.CachedTokens, GenTokens: len(r.Tokens), ForcedTokens: r.ForcedTokens,
		Drafted: r.Drafted, Accepted: r.Accepted,
		Context: m.Context(), Seed: r.Seed, Threads: m.Threads(), ISA: runtime.ISA(), LoadSeconds: m.LoadTime().Seconds(),
		FirstToken: r.FirstToken.Seconds(), PromptPerSecond: r.PromptSpeed(), GenPerSecond: r.DecodeSpeed(), NeuronDensity: stats.NeuronDensity,
		ModelBytes: stats.ModelBytes, KVBytes: r.KVBytes, PeakRSSBytes: process.PeakRSS(), Residency: m.Residency(runtime.Stats{}),
		Reading: m.Reading(since),
	}
}

// markPrompt returns the moment in which the prompt has run; before that, this one.
func markPrompt(m *runtime.Model, g *runtime.Generate) *runtime.Mark {
	mark := m.Mark()
	g.Prefilled = func() error {
		mark = m.Mark()
		return nil
	}
	return &mark
}

// printStats prints speeds and memory for a person.
func (a *app) printStats(m *runtime.Model, result *runtime.Result, since runtime.Mark) {
	r := newGenerateReport(m, result, since)
	w := a.stderr
	fmt.Fprintf(w, "load       %s, %s of weights, %s, %s\n", m.LoadTime().Round(time.Millisecond), size(r.ModelBytes), plural(r.Threads, "thread"), r.ISA)
	held := ""
	if result.CachedTokens > 0 {
		held = fmt.Sprintf(" after %s from the cache", plural(result.CachedTokens, "token"))
	}
	speed := fmt.Sprintf("%.1f tokens/s, first token after %s", r.PromptPerSecond, result.FirstToken.Round(time.Millisecond))
	if result.FirstToken == 0 {
		speed = "ended before the first token"
	}
	fmt.Fprintf(w, "prompt     %s%s, %s\n", plural(r.PromptTokens, "token"), held, speed)
	forced := ""
	if r.ForcedTokens > 0 {
		forced = fmt.Sprintf(" (%d forced by the grammar)", r.ForcedTokens)
	}
	fmt.Fprintf(w, "generated  %s%s, %.1f tokens/s, ended by %s\n", plural(r.GenTokens, "token"), forced, r.GenPerSecond, r.StopReason)
	if r.Drafted > 0 {
		fmt.Fprintf(w, "lookup     %s guessed, %d right (%.0f %%)\n", plural(r.Drafted, "token"), r.Accepted, 100*float64(r.Accepted)/float64(r.Drafted))
	}
	fmt.Fprintf(w, "memory     peak %s, KV cache %s\n", size(r.PeakRSSBytes), size(r.KVBytes))
	printResidency(w, &r.Residency)
	if r.GenTokens > 1 {
		printReading(w, &r.Residency, &r.Reading)
	}
	if r.NeuronDensity > 0 { // a dense activation has none that are not
		fmt.Fprintf(w, "neurons    %.1f %% active\n", 100*r.NeuronDensity)
	}
	fmt.Fprintf(w, "seed       %d\n", r.Seed)
}
