package main

import (
	"fmt"
	"io"
	"time"
)

// evalReport is what st eval --json prints.
type evalReport struct {
	Perplexity      float64           `json:"perplexity"`
	StandardError   float64           `json:"standard_error"`
	NLLMean         float64           `json:"nll_mean"`
	Tokens          int               `json:"tokens"`
	ScoredTokens    int               `json:"scored_tokens"`
	Windows         int               `json:"windows"`
	Context         int               `json:"ctx"`
	Seconds         float64           `json:"seconds"`
	TokensPerSecond float64           `json:"tokens_per_second"`
	Divergence      *divergenceReport `json:"divergence,omitempty"`
}

// newEvalReport sums up a run over a text of so many tokens.
func newEvalReport(p *perplexity, tokens int, elapsed time.Duration) *evalReport {
	r := &evalReport{
		NLLMean: p.nll.mean(), Tokens: tokens, ScoredTokens: p.nll.n, Windows: p.text.count(), Context: p.text.length,
		Seconds: elapsed.Seconds(), TokensPerSecond: float64(len(p.text.tokens)) / elapsed.Seconds(),
	}
	r.Perplexity, r.StandardError = p.nll.exp()
	if p.base != nil {
		r.Divergence = p.divergence.report()
	}
	return r
}

func (r *evalReport) print(w io.Writer) {
	fmt.Fprintf(w, "perplexity %.4f ± %.4f over %s in %s of %d\n", r.Perplexity, r.StandardError,
		plural(r.ScoredTokens, "scored token"), plural(r.Windows, "window"), r.Context)
	d := r.Divergence
	if d == nil {
		return
	}
	fmt.Fprintf(w, "base       %.4f ± %.4f; ratio %.6f ± %.6f\n", d.BasePerplexity, d.BaseStandardError, d.Ratio, d.RatioStandardError)
	fmt.Fprintf(w, "KL         mean %.4g ± %.2g; median %.4g, 90 %% %.4g, 99 %% %.4g, 99.9 %% %.4g, max %.4g, min %.4g\n",
		d.KLMean, d.KLStandardError, d.KLMedian, d.KL90, d.KL99, d.KL999, d.KLMax, d.KLMin)
	fmt.Fprintf(w, "same top   %.3f ± %.3f %%\n", d.SameTop, d.SameTopError)
	fmt.Fprintf(w, "Δp         mean %.3f ± %.3f %%, RMS %.3f ± %.3f %%\n", d.DeltaP, d.DeltaPError, d.DeltaPRMS, d.DeltaPRMSError)
}
