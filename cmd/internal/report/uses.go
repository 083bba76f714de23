package report

import (
	"os"
	"time"

	"st/format"
	runner "st/runtime"
)

// ExpertUses is what is known of how often earlier runs used the experts: a run within a memory budget begins with those that were used most. It takes what
// is recorded, and only where nothing is what is remembered.
type ExpertUses struct {
	Recorded   *RecordedUses   `json:"recorded,omitempty"`
	Remembered *RememberedUses `json:"remembered,omitempty"`
	// Damaged tells what is wrong with the record; empty: nothing is.
	Damaged string `json:"damaged,omitempty"`
	// RememberedDamaged is a file of what would be remembered, and is not valid; empty: there is none. The next run replaces it.
	RememberedDamaged string `json:"remembered_damaged,omitempty"`
}

// RecordedUses are recorded in the model's file or beside it.
type RecordedUses struct {
	Tokens int64 `json:"tokens"`
}

// RememberedUses are what runs have left in the user's cache directory.
type RememberedUses struct {
	Tokens int64  `json:"tokens"`
	Runs   int64  `json:"runs"`
	Last   string `json:"last"` // the end of the last run, as RFC 3339 has it
	File   string `json:"file"` // without it, nothing is remembered
}

// expertUses returns nil if nothing is known.
func expertUses(r *format.Reader, cache string) *ExpertUses {
	if r.Config.ExpertCount() == 0 {
		return nil
	}
	var x ExpertUses
	u, err := r.Usage()
	switch {
	case err != nil:
		x.Damaged = err.Error()
	case u != nil && u.Tokens > 0:
		x.Recorded = &RecordedUses{u.Tokens}
	}
	if m, path := runner.RememberedExperts(r, cache); m != nil {
		x.Remembered = &RememberedUses{m.Tokens, m.Runs, m.Last.UTC().Format(time.RFC3339), path}
	} else if path != "" {
		if _, err := os.Lstat(path); err == nil {
			x.RememberedDamaged = path
		}
	}
	if x == (ExpertUses{}) {
		return nil
	}
	return &x
}

// knownUses returns with what is known a run would begin, and where it is from: recordedUsage or rememberedUsage. nil: nothing is known.
func knownUses(r *format.Reader, cache string) (*format.Usage, string, error) {
	u, err := r.Usage()
	if err != nil || u != nil && u.Tokens > 0 {
		return u, recordedUsage, err
	}
	if m, _ := runner.RememberedExperts(r, cache); m != nil {
		return m.Usage(), rememberedUsage, nil
	}
	return nil, "", nil
}
