package main

import (
	"fmt"
	"io"

	"st/runtime/eval"
)

func printEval(w io.Writer, r *eval.Report) {
	fmt.Fprintf(w, "perplexity %.4f ± %.4f over %s in %s of %d\n", r.Perplexity, r.StandardError,
		plural(r.ScoredTokens, "scored token"), plural(r.Windows, "window"), r.Context)
	if c := r.Decode; c != nil {
		fmt.Fprintf(w, "decode     %.1f experts a token, %.2f of them missing (%.1f %% found), %s read\n", c.UsesPerToken, c.MissesPerToken, 100*c.HitRate,
			size(int64(c.BytesReadPerToken)))
	}
	if h := r.Head; h != nil {
		fmt.Fprintf(w, "rows       %.2f %% of the head; without the likeliest token %.3f ± %.3f %%, without the text's %.3f ± %.3f %%\n",
			h.Rows, h.TopMissed, h.TopMissedError, h.NextMissed, h.NextMissedError)
		fmt.Fprintf(w, "KL(rows)   mean %.4g ± %.2g; median %.4g, 90 %% %.4g, 99 %% %.4g, max %.4g\n", h.KLMean, h.KLStandardError, h.KLMedian, h.KL90, h.KL99, h.KLMax)
	}
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
