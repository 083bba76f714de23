package eval

import (
	"encoding/json"
	"math"
	"time"

	"st/runtime"
)

// Report is what [Run] measures.
type Report struct {
	// Perplexity is exp(NLLMean), where NLLMean is the mean negative log-likelihood of the scored tokens, in nats.
	Perplexity    float64 `json:"perplexity"`
	StandardError float64 `json:"standard_error"`
	NLLMean       float64 `json:"nll_mean"`
	// Tokens is the number of tokens in all windows.
	Tokens       int `json:"tokens"`
	ScoredTokens int `json:"scored_tokens"`
	Windows      int `json:"windows"`
	// Context is the number of tokens in a window.
	Context         int     `json:"ctx"`
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	// Divergence is there if there was a base.
	Divergence *Divergence `json:"divergence,omitempty"`
	// Decode is there if scored positions were run one at a time, of a model with experts.
	Decode *Decode `json:"decode,omitempty"`
	// Head is there with Options.Head.
	Head *Head `json:"head,omitempty"`
}

// MarshalJSON writes perplexities that are too large for a number as null, since JSON has no infinity.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		Perplexity    *float64 `json:"perplexity"`
		StandardError *float64 `json:"standard_error"`
		plain
	}{orNull(r.Perplexity), orNull(r.StandardError), plain(r)})
}

// orNull returns nil for a number that JSON does not have.
func orNull(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

// Decode tells what became of the experts that the scored positions chose.
type Decode struct {
	// UsesPerToken is how many experts a token used, MissesPerToken how many of them were not in memory when the router chose them, and
	// BytesReadPerToken what was read for it.
	UsesPerToken      float64 `json:"expert_uses_per_token"`
	MissesPerToken    float64 `json:"expert_misses_per_token"`
	HitRate           float64 `json:"expert_cache_hit_rate"`
	BytesReadPerToken float64 `json:"bytes_read_per_token"`
}

// cacheUse adds up what became of experts.
type cacheUse struct{ tokens, uses, misses, bytes int64 }

// add counts what happened between two moments.
func (c *cacheUse) add(from, to runtime.Stats) {
	c.tokens += to.Tokens - from.Tokens
	c.uses += to.ExpertUses - from.ExpertUses
	c.misses += to.ExpertMisses - from.ExpertMisses
	c.bytes += to.ExpertBytesRead - from.ExpertBytesRead
}

func (c *cacheUse) report() *Decode {
	if c.uses == 0 {
		return nil
	}
	n := float64(c.tokens)
	return &Decode{float64(c.uses) / n, float64(c.misses) / n, 1 - float64(c.misses)/float64(c.uses), float64(c.bytes) / n}
}

func (p *scorer) report(text Windows, elapsed time.Duration) *Report {
	r := &Report{
		NLLMean: p.nll.mean(), Tokens: len(text.Tokens), ScoredTokens: p.nll.n, Windows: text.Count(), Context: text.Length,
		Seconds: elapsed.Seconds(), TokensPerSecond: float64(len(text.Tokens)) / elapsed.Seconds(),
	}
	r.Perplexity, r.StandardError = p.nll.exp()
	r.Decode = p.cache.report()
	r.Head = p.head.report()
	if p.base != nil {
		r.Divergence = p.divergence.report()
	}
	return r
}

// Divergence tells how a model's predictions differ from a base's; see divergence.go for the definitions. After each mean and what is made
// of one stands its standard error.
type Divergence struct {
	BasePerplexity     float64 `json:"base_perplexity"`
	BaseStandardError  float64 `json:"base_perplexity_standard_error"`
	Ratio              float64 `json:"perplexity_ratio"`
	RatioStandardError float64 `json:"perplexity_ratio_standard_error"`
	KLMean             float64 `json:"kl_mean"`
	KLStandardError    float64 `json:"kl_mean_standard_error"`
	KLMin              float64 `json:"kl_min"`
	KLMedian           float64 `json:"kl_median"`
	KL90               float64 `json:"kl_p90"`
	KL99               float64 `json:"kl_p99"`
	KL999              float64 `json:"kl_p99_9"`
	KLMax              float64 `json:"kl_max"`
	SameTop            float64 `json:"same_top_percent"`
	SameTopError       float64 `json:"same_top_percent_standard_error"`
	DeltaP             float64 `json:"delta_p_mean_percent"`
	DeltaPError        float64 `json:"delta_p_mean_percent_standard_error"`
	DeltaPRMS          float64 `json:"delta_p_rms_percent"`
	DeltaPRMSError     float64 `json:"delta_p_rms_percent_standard_error"`
}

// MarshalJSON is as that of [Report].
func (d Divergence) MarshalJSON() ([]byte, error) {
	type plain Divergence
	return json.Marshal(struct {
		BasePerplexity     *float64 `json:"base_perplexity"`
		BaseStandardError  *float64 `json:"base_perplexity_standard_error"`
		Ratio              *float64 `json:"perplexity_ratio"`
		RatioStandardError *float64 `json:"perplexity_ratio_standard_error"`
		plain
	}{orNull(d.BasePerplexity), orNull(d.BaseStandardError), orNull(d.Ratio), orNull(d.RatioStandardError), plain(d)})
}
