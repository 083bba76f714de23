package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"st/runtime"
	"st/runtime/engine"
	"st/runtime/remembered"
)

// What was measured is remembered for the model and the machine, and a damaged memory is measured again.
func TestAutoThreads(t *testing.T) {
	if len(engine.ThreadCandidates()) < 2 {
		t.Skip("one processor: there is nothing to choose")
	}
	dir := filepath.Join(t.TempDir(), "threads")
	threads := func(dir string) int {
		t.Helper()
		m, err := runtime.Open(t.Context(), modelPath, runtime.Options{Threads: runtime.AutoThreads, ThreadCache: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if s := m.Stats(); s.Tokens != 0 {
			t.Errorf("what was measured is counted: %d tokens", s.Tokens)
		}
		return m.Threads()
	}
	n := threads(dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the directory has %v (%v), want one file", files, err)
	}
	kept, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if again := threads(dir); again != n {
		t.Errorf("%d threads, and %d were remembered", again, n)
	}
	if now, err := os.Stat(files[0]); err != nil || !now.ModTime().Equal(kept.ModTime()) {
		t.Errorf("what is remembered was measured again (%v)", err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	threads(dir)
	if data, err := os.ReadFile(files[0]); err != nil || string(data) == "{" {
		t.Errorf("what is damaged was not measured again (%v)", err)
	}
	// What was measured last pushes out what was measured first.
	for i := range 300 {
		if err := (remembered.Cache[int]{Dir: dir, Key: fmt.Sprint("before ", i)}).Save(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	threads(dir)
	if all, err := filepath.Glob(filepath.Join(dir, "*.json")); err != nil || len(all) != 256 || !slices.Contains(all, files[0]) {
		t.Errorf("the directory has %d files (%v)", len(all), err)
	}
	threads("") // nothing is kept
	threads(filepath.Join(files[0], "below a file"))
}

func TestAutoThreadsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runtime.Open(ctx, modelPath, runtime.Options{Threads: runtime.AutoThreads}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

// ending is a context that is cancelled when it was asked so many times whether it is.
type ending struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *ending) Err() error {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// Whenever opening a model ends early, also while threads are measured, nothing goes on in the background.
func TestOpeningThatEndsLeavesNothing(t *testing.T) {
	if len(engine.ThreadCandidates()) < 2 {
		t.Skip("one processor: there is nothing to measure")
	}
	measured := false // it ended while threads were measured
	for n := int64(4); !measured; n = n*3/2 + 1 {
		inner, cancel := context.WithCancel(t.Context())
		ctx := &ending{Context: inner, cancel: cancel}
		ctx.left.Store(n)
		passes := runtime.NewTimeline(1)
		m, err := runtime.Open(ctx, modelPath, runtime.Options{Threads: runtime.AutoThreads, Memory: 1 << 30, Timeline: passes})
		cancel()
		if err == nil {
			m.Close()
			t.Fatal("opening never ended while threads were measured")
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		var dump strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&dump, 2); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(dump.String(), "(*breath).watch") {
			t.Fatalf("after %d looks at its context, the model that was not opened still watches the memory", n)
		}
		measured = passes.Passes() > 0
	}
}
