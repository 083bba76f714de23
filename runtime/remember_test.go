package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"st/runtime"
)

// experts are options with a memory bound, and a directory in which experts are remembered.
func experts(dir string) runtime.Options { return runtime.Options{Memory: 1 << 30, ExpertCache: dir} }

// run generates a text with a model that is opened and closed for it, and returns what was known, and the text.
func run(t *testing.T, path string, opts runtime.Options) (*runtime.KnownExperts, *runtime.Result) {
	t.Helper()
	m, err := runtime.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := generate(t, m, "To be", runtime.Generate{MaxTokens: 8, Seed: new(uint64(3))})
	return m.KnownExperts(), r
}

// copyModel returns a copy of the trained model.
func copyModel(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(modelPath)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.stm")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The next run knows what the ones before it used, of any copy of the file. Its text is the same.
func TestRememberedExperts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	known, first := run(t, modelPath, experts(dir))
	if known != nil {
		t.Errorf("at first this is known: %+v", known)
	}
	tokens := int64(first.PromptTokens + first.Decoded)
	path := copyModel(t)
	for i := range int64(2) {
		opts := experts(dir)
		opts.ExpertCacheReadOnly = i == 1
		known, again := run(t, path, opts)
		if known == nil || known.Source != runtime.LearnedExperts || known.Tokens != (i+1)*tokens || known.Runs != i+1 || known.Last == nil || known.Last.IsZero() {
			t.Errorf("after %d runs this is known: %+v, want %d tokens", i+1, known, (i+1)*tokens)
		}
		if again.Text != first.Text {
			t.Errorf("the text is %q, and was %q", again.Text, first.Text)
		}
	}

	m := open(t, experts(dir))
	if known := m.KnownExperts(); known == nil || known.Runs != 2 {
		t.Errorf("a run that only reads has changed it: %+v", known)
	}
	if r := m.Residency(runtime.Stats{}); r.Known == nil || r.Known.Runs != 2 {
		t.Errorf("statistics say %+v", r.Known)
	}
	uses, file := runtime.RememberedExperts(m.File(), dir)
	if uses == nil || uses.Tokens != 2*tokens || uses.Usage().Tokens != 2*tokens {
		t.Errorf("%+v is remembered", uses)
	}
	m.Close() // it ran nothing
	m.Close()
	if again, _ := runtime.RememberedExperts(m.File(), dir); again == nil || again.Runs != 2 {
		t.Errorf("after a model that ran nothing %+v is remembered", again)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if known, _ := run(t, modelPath, experts(dir)); known != nil {
		t.Errorf("without the file this is known: %+v", known)
	}
}

// What is known depends on what is computed, and on nothing that cannot be read.
func TestRememberedExpertsOfOthers(t *testing.T) {
	dir := t.TempDir()
	run(t, modelPath, experts(dir))
	fewer := experts(dir)
	fewer.ExpertsPerToken = 2
	if known, _ := run(t, modelPath, fewer); known != nil {
		t.Errorf("with fewer experts for a token this is known: %+v", known)
	}
	if known, _ := run(t, modelPath, fewer); known == nil || known.Runs != 1 {
		t.Errorf("and after a run of that %+v", known)
	}
	mapped := experts(dir)
	mapped.Memory = 0
	if known, _ := run(t, modelPath, mapped); known != nil {
		t.Errorf("without a bound this is known: %+v", known)
	}
	m := open(t, experts(dir))
	if known := m.KnownExperts(); known == nil || known.Runs != 1 {
		t.Errorf("the others have added to it: %+v", known)
	}
	_, file := runtime.RememberedExperts(m.File(), dir)
	m.Close()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "{", string(good[:len(good)/2]), `{"version":2,"key":"x","value":null}`} {
		if err := os.WriteFile(file, []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		if known, _ := run(t, modelPath, experts(dir)); known != nil {
			t.Errorf("%q: this is known: %+v", damaged, known)
		}
		if known, _ := run(t, modelPath, experts(dir)); known == nil || known.Runs != 1 {
			t.Errorf("%q was not replaced: %+v", damaged, known)
		}
	}
	for range 2 { // a file in the directory's place
		if known, r := run(t, modelPath, experts(file)); known != nil || len(r.Tokens) == 0 {
			t.Errorf("below a file %+v is known", known)
		}
	}
}

// What is recorded comes first.
func TestRecordedAndRememberedExperts(t *testing.T) {
	dir, path := t.TempDir(), copyModel(t)
	run(t, path, experts(dir))
	m, err := runtime.Open(t.Context(), path, experts(dir))
	if err != nil {
		t.Fatal(err)
	}
	generate(t, m, "To be", runtime.Generate{MaxTokens: 2})
	_, tokens, err := m.RecordUsage()
	m.Close()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if known, _ := run(t, path, experts(dir)); known == nil || *known != (runtime.KnownExperts{Source: runtime.RecordedExperts, Tokens: tokens}) {
			t.Errorf("this is known: %+v, want %d recorded tokens", known, tokens)
		}
	}
}

// A run that is cancelled has used experts, too, and models that are closed at the same time are all counted.
func TestRememberedAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		m := open(t, experts(dir))
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			for range m.Generate(ctx, "To be", runtime.Generate{MaxTokens: 100}) {
				cancel()
			}
			cancel()
			m.Close()
		})
	}
	all.Wait()
	if known := open(t, experts(dir)).KnownExperts(); known == nil || known.Runs != 4 || known.Tokens < 4 {
		t.Errorf("this is known: %+v", known)
	}
}
