package runtime

import (
	"fmt"
	"math"
	"time"

	"st/format"
	"st/runtime/remembered"
)

// ExpertUses is what is remembered of the experts that runs of a model used.
type ExpertUses struct {
	Tokens int64     `json:"tokens"` // that were counted in all
	Runs   int64     `json:"runs"`   // that counted them
	Last   time.Time `json:"last"`   // the end of the last run

	// Weight is how many tokens Uses tell of, and Uses how many of them used each expert, layer by layer, in the order of the file: tokens of old
	// runs count for less than one.
	Weight float64   `json:"weight"`
	Uses   []float32 `json:"uses"`
}

const (
	// usesHalfLife is the number of tokens after which those before count for half. A topic is some hundred tokens long: it is several topics that are
	// remembered, and those of the last runs the most.
	usesHalfLife = 2048
	// usesOfRun is the most tokens that a run counts for, however long it was: one document must not be all that is remembered.
	usesOfRun = 1024
	// maxExpertUses is the number of models that are remembered in a directory: some tens of KiB each.
	maxExpertUses = 64
)

// patience bounds the wait for the lock of a cache directory, which others hold for some milliseconds.
var patience = 5 * time.Second

// add counts the uses of a run.
func (u *ExpertUses) add(run *format.Usage, end time.Time) {
	weight := float64(min(run.Tokens, usesOfRun))
	keep, share := math.Exp2(-weight/usesHalfLife), weight/float64(run.Tokens)
	u.Tokens, u.Runs, u.Last = min(u.Tokens, math.MaxInt64-run.Tokens)+run.Tokens, u.Runs+1, end
	u.Weight = u.Weight*keep + weight
	for i, n := range run.Uses {
		u.Uses[i] = float32(float64(u.Uses[i])*keep + float64(n)*share)
	}
}

// valid reports whether these can be the uses of so many experts.
func (u *ExpertUses) valid(experts int) bool {
	if u == nil || len(u.Uses) != experts || u.Tokens <= 0 || u.Runs <= 0 || u.Weight < 1 || u.Weight > float64(u.Tokens) {
		return false
	}
	for _, n := range u.Uses {
		if n < 0 || float64(n) > u.Weight*(1+1e-6) { // float32 rounds
			return false
		}
	}
	return true
}

// Usage returns the uses as files record them, in whole tokens.
func (u *ExpertUses) Usage() *format.Usage {
	to := &format.Usage{Tokens: int64(math.Round(u.Weight)), Uses: make([]int64, len(u.Uses))}
	for i, n := range u.Uses {
		to.Uses[i] = min(to.Tokens, int64(math.Round(float64(n))))
	}
	return to
}

// expertCache returns where it is remembered which experts a model uses, by what it computes: see [Model.Fingerprint].
func expertCache(fingerprint [16]byte, dir string) remembered.Cache[*ExpertUses] {
	return remembered.Cache[*ExpertUses]{Dir: dir, Key: fmt.Sprintf("experts of %x", fingerprint), Kind: "experts", Patience: patience}
}

func loadExpertUses(c remembered.Cache[*ExpertUses], experts int) *ExpertUses {
	if u, ok := c.Load(); ok && u.valid(experts) {
		return u
	}
	return nil
}

// remember returns what is remembered of the experts of a model that is being opened; nil: nothing is. Closing the model adds to it, unless the options keep
// it from that.
func (m *Model) remember(opts *Options) *format.Usage {
	cache := expertCache(m.Fingerprint(), opts.ExpertCache)
	if m.remembered = loadExpertUses(cache, m.file.Config.ExpertCount()); m.remembered != nil {
		m.seeds, m.rememberedIn = m.remembered.Usage(), cache.Path()
	}
	if opts.ExpertCache != "" && !opts.ExpertCacheReadOnly {
		held := m.resources // and not the model, which could not be dropped then
		m.learn = func() { rememberUses(cache, held.engine.Usage()) }
	}
	return m.seeds
}

// RememberedExperts returns what is remembered of the experts that a file's model uses, in a directory as Options.ExpertCache names it, and the name of the
// file that it is kept in, which may be removed. uses is nil if nothing is.
func RememberedExperts(r *format.Reader, dir string) (uses *ExpertUses, path string) {
	if dir == "" {
		return nil, ""
	}
	c := expertCache(r.Fingerprint(), dir)
	return loadExpertUses(c, r.Config.ExpertCount()), c.Path()
}

// rememberUses adds what a run counted to what is remembered. What cannot be kept is not: a run must not fail for it.
func rememberUses(c remembered.Cache[*ExpertUses], run *format.Usage) {
	if run.Tokens == 0 || len(run.Uses) == 0 {
		return
	}
	_ = c.Update(maxExpertUses, func(u *ExpertUses, ok bool) *ExpertUses {
		if !ok || !u.valid(len(run.Uses)) {
			u = &ExpertUses{Uses: make([]float32, len(run.Uses))}
		}
		u.add(run, time.Now().UTC().Truncate(time.Second))
		return u
	})
}

// Where it is known from which experts a model uses.
const (
	RecordedExperts = "recorded"   // by [Model.RecordUsage], in the model's file or beside it
	LearnedExperts  = "remembered" // in Options.ExpertCache
)

// KnownExperts tells what was known of the use of experts when a model was opened: a cache begins with those that are used most.
type KnownExperts struct {
	// Source is RecordedExperts or LearnedExperts. What is recorded comes first: nothing else is known then.
	Source string `json:"source"`
	// Tokens is how many tokens were counted, in so many Runs and until Last; 0 and nil: that is not recorded.
	Tokens int64      `json:"tokens"`
	Runs   int64      `json:"runs,omitempty"`
	Last   *time.Time `json:"last,omitempty"`
	// File is where it is remembered, which may be removed; "": it is recorded.
	File string `json:"file,omitempty"`
}

// KnownExperts returns what was known of the use of experts when the model was opened; nil: nothing was, or the model has no bound.
func (m *Model) KnownExperts() *KnownExperts {
	known := m.engine.Known()
	switch {
	case known == nil:
		return nil
	case m.remembered != nil && known == m.seeds:
		last := m.remembered.Last
		return &KnownExperts{Source: LearnedExperts, Tokens: m.remembered.Tokens, Runs: m.remembered.Runs, Last: &last, File: m.rememberedIn}
	}
	return &KnownExperts{Source: RecordedExperts, Tokens: known.Tokens}
}
