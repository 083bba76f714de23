package pull_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"st/convert"
	"st/convert/hub"
	"st/convert/hub/hubtest"
	"st/convert/pull"
)

// interrupted pulls in as many runs as it takes, each of which may end after some requests, and returns the file.
func interrupted(t *testing.T, h *hubtest.Hub, opts pull.Options, rng *rand.Rand) ([]byte, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "m.stm")
	for runs := 0; ; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		faults := h.Faults
		var left atomic.Int64
		left.Store(int64(rng.IntN(40)))
		h.SetFaults(func(r hubtest.Request) hubtest.Fault {
			if left.Add(-1) == 0 && runs < 5 {
				cancel() // as Ctrl-C does
			}
			if faults == nil {
				return hubtest.Fault{}
			}
			return faults(r)
		})
		_, err := pull.Model(ctx, ref, out, opts)
		cancel()
		h.SetFaults(faults)
		if _, statErr := os.Stat(out); (statErr == nil) != (err == nil) {
			return nil, fmt.Errorf("the file is there: %t, and the error is %v", statErr == nil, err)
		}
		if err == nil {
			only(t, out)
			return os.ReadFile(out)
		}
		if errors.Is(err, context.Canceled) {
			continue
		}
		known := false
		for _, kind := range []error{hub.ErrHash, hub.ErrChanged, hub.ErrUnreachable, hub.ErrForbidden, hub.ErrNoRange, convert.ErrNonFinite} {
			known = known || errors.Is(err, kind)
		}
		if !known {
			return nil, fmt.Errorf("run %d: %w", runs, err)
		}
		if runs > 20 {
			return nil, err
		}
	}
}

// TestFaults: every schedule of faults ends in the same file, bit for bit. Errors on the way are told, leave nothing under the file's name, and the
// same call goes on.
func TestFaults(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	schedules := uint64(100)
	if testing.Short() {
		schedules = 30
	}
	for seed := range schedules {
		synctest.Test(t, func(t *testing.T) {
			h, transport := hubtest.NewPiped()
			defer h.Close()
			h.Add(name).Commit(files(t, dir))
			h.SetFaults(hubtest.Random(seed, 0.3, 25, seed%2 == 0))
			h.Signed = 4
			opts, c := options(h), config(h)
			c.Transport = transport
			opts.Client = hub.New(c)
			got, err := interrupted(t, h, opts, rand.New(rand.NewPCG(seed, 1)))
			if err != nil {
				t.Errorf("schedule %d: %v", seed, err)
			} else if !bytes.Equal(got, want) {
				t.Errorf("schedule %d: another file came of it", seed)
			}
		})
	}
}

// TestWholeFiles: an interrupted run goes on with a server that sends no parts of files, too: what was done comes again, and is not done again.
func TestWholeFiles(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	for seed := range uint64(5) {
		h, _ := start(t, dir)
		h.SetFaults(func(hubtest.Request) hubtest.Fault { return hubtest.Fault{Whole: true} })
		opts := options(h)
		got, err := interrupted(t, h, opts, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			t.Errorf("%d: %v", seed, err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%d: another file came of it", seed)
		}
	}
}

// TestWrongHash: bytes that are not those of the published hash are refused, and the next run fetches the file again.
func TestWrongHash(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	bad := true
	h.SetFaults(func(r hubtest.Request) hubtest.Fault {
		return hubtest.Fault{Flip: bad && r.Path == "model-00002-of-00003.safetensors" && r.Bytes > 0 && r.Header.Get("Range") != "" && !strings.HasPrefix(r.Header.Get("Range"), "bytes=0-")}
	})
	out := filepath.Join(t.TempDir(), "m.stm")
	_, err := pull.Model(t.Context(), ref, out, options(h))
	if !errors.Is(err, hub.ErrHash) && !errors.Is(err, hub.ErrChanged) || !strings.Contains(err.Error(), "model-00002-of-00003.safetensors") {
		t.Fatalf("error is %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there is a file")
	}
	bad = false
	before, _ := h.Sent()
	_, err = pull.Model(t.Context(), ref, out, options(h))
	ok(t, err)
	data, err := os.ReadFile(out)
	ok(t, err)
	if !bytes.Equal(data, want) {
		t.Error("another file came of it")
	}
	after, _ := h.Sent()
	if n := after["model-00001-of-00003.safetensors"] - before["model-00001-of-00003.safetensors"]; n > 300<<10 {
		t.Errorf("%d bytes of the first file came again", n)
	}
}

// TestChanged: a repository that changes while it is pulled does not mix; the run goes on with the commit that it began with, and says so.
func TestChanged(t *testing.T) {
	dir := model(t, 1)
	h, repo := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	for _, gone := range []bool{false, true} {
		first := repo.Commit(files(t, dir))
		out := filepath.Join(t.TempDir(), "m.stm")
		ctx, cancel := context.WithCancel(t.Context())
		h.SetFaults(func(r hubtest.Request) hubtest.Fault {
			if r.Path == "model-00003-of-00003.safetensors" && r.Method == http.MethodGet && !strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") {
				cancel()
			}
			return hubtest.Fault{}
		})
		if _, err := pull.Model(ctx, ref, out, options(h)); !errors.Is(err, context.Canceled) {
			t.Fatalf("it was to be interrupted: %v", err)
		}
		h.SetFaults(nil)
		second := repo.Commit(files(t, model(t, 2)))
		if gone {
			repo.Forget(first)
		}
		opts := options(h)
		var notes []string
		opts.Note = func(text string) { notes = append(notes, text) }
		result, err := pull.Model(t.Context(), ref, out, opts)
		ok(t, err)
		data, err := os.ReadFile(out)
		ok(t, err)
		said := strings.Join(notes, "\n")
		if gone {
			if result.Commit != second || bytes.Equal(data, want) || !strings.Contains(said, "is gone") {
				t.Errorf("commit %s, notes:\n%s", result.Commit, said)
			}
			continue
		}
		if result.Commit != first || !bytes.Equal(data, want) || !strings.Contains(said, "was changed") || !strings.Contains(said, second[:12]) {
			t.Errorf("commit %s, the same file: %t, notes:\n%s", result.Commit, bytes.Equal(data, want), said)
		}
	}
}
