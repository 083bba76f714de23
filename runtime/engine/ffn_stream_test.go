package engine_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// manyLayers is a dense model whose feed-forward layers do not fit in a small budget.
func manyLayers() modeltest.Shape {
	return phi3(func(s *modeltest.Shape) { s.Layers, s.KVHeads, s.DenseFFN = 6, 1, 1000 })
}

// A budget changes nothing but speed in a dense model either: the same bits come out, however many layers stay, and however small their pieces are.
func TestDenseStreamedBits(t *testing.T) {
	for name, tt := range map[string]struct {
		shape modeltest.Shape
		typ   quant.Type
		piece int64
	}{
		"whole matrices": {manyLayers(), quant.Q4_0, 8 << 20},
		"f32 in pieces":  {manyLayers(), quant.F32, 50 << 10}, "q8_0 in pieces": {manyLayers(), quant.Q8_0, 20 << 10},
		"q4_0 in pieces": {manyLayers(), quant.Q4_0, 1}, "no whole blocks": {phi3(func(s *modeltest.Shape) { s.DenseFFN = 1003 }), quant.Q4_0, 30 << 10},
		"qwen3":    {qwen3(func(s *modeltest.Shape) { s.Arch, s.Layers, s.DenseFFN = "qwen3", 5, 777 }), quant.Q8_0, 30 << 10},
		"longrope": {phi3(func(s *modeltest.Shape) { longRoPE(20, nil)(s); s.DenseFFN = 1000 }), quant.Q4_0, 30 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			defer engine.SetPieceBytes(tt.piece)()
			r := reader(t, write(t, tt.shape, tt.typ))
			lengths := []int{1, 30, 1, 1, 150, 1}
			want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), lengths...)
			for i, more := range []int64{0, 100 << 10, 700 << 10, 1 << 30} {
				opts := engine.Options{Threads: 1 + i%3, Parallel: 1 + i%2, Context: 512}
				e := stream(t, r, opts, more)
				for i, got := range steps(t, session(t, e), lengths...) {
					if !slices.Equal(got, want[i]) {
						t.Errorf("%d bytes more than the smallest budget: step %d has other bits", more, i)
					}
				}
				s, b, u := e.Stats(), e.Budget(), e.MemoryUse()
				if (b.FFN == 0) != (more == 1<<30) || (s.ExpertReads == 0) != (more == 1<<30) {
					t.Errorf("%d bytes more than the smallest budget: %d reads, of %+v", more, s.ExpertReads, b)
				}
				if u.Dense > b.Dense || u.Experts > b.FFN {
					t.Errorf("%d bytes more than the smallest budget: %+v is taken, of %+v", more, u, b)
				}
				e.Close()
			}
		})
	}
}

// A budget that is too small is refused with what is needed and what for.
func TestDenseBudget(t *testing.T) {
	r := reader(t, write(t, manyLayers(), quant.Q8_0))
	opts := engine.Options{Threads: 2, Context: 512}
	smallest, _ := engine.SmallestMemory(r, opts)
	if needed := engine.NeededMemory(r, opts); smallest >= needed {
		t.Errorf("the smallest budget is %d, and all takes %d", smallest, needed)
	}
	opts.Memory = smallest
	e := openWith(t, r, opts)
	if b := e.Budget(); b.FFN < b.SmallestFFN || b.SmallestFFN == 0 {
		t.Errorf("the budget is %+v", b)
	}
	opts.Memory -= 64 << 10
	if _, err := engine.Open(t.Context(), r, opts); !errors.Is(err, engine.ErrMemory) || !strings.Contains(err.Error(), "feed-forward layers") {
		t.Errorf("error is %v, want one that tells of feed-forward layers", err)
	}
}

func openWith(t *testing.T, r *format.Reader, opts engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// A KV cache takes its memory from layers, and gives it back.
func TestDenseStreamedKV(t *testing.T) {
	r := reader(t, write(t, manyLayers(), quant.Q4_0))
	want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), 300, 1)
	b, _ := engine.NewBudget(r, engine.Options{Threads: 2, Context: 512, Parallel: 2})
	e := openWith(t, r, engine.Options{Threads: 2, Context: 512, Parallel: 2, Memory: b.Smallest()})
	s, other := session(t, e), session(t, e)
	for round := range 3 {
		for i, got := range steps(t, s, 300, 1) {
			if !slices.Equal(got, want[i]) {
				t.Errorf("round %d, step %d: other bits", round, i)
			}
		}
		if _, err := other.Forward(t.Context(), prompt(400, 50)); !errors.Is(err, engine.ErrMemory) {
			t.Errorf("error is %v, want ErrMemory: both sequences do not fit", err)
		}
		s.Truncate(0)
		if got := steps(t, other, 300, 1); !slices.Equal(got[1], want[1]) {
			t.Errorf("round %d: the other sequence has other bits", round)
		}
		other.Truncate(0)
	}
}

// A read that fails is an error that names the record, and the engine stays usable; so is one that is found when the model is opened.
func TestDenseStreamedFaults(t *testing.T) {
	path := write(t, manyLayers(), quant.Q4_0)
	want := steps(t, session(t, openReader(t, reader(t, path), engine.Options{Threads: 2})), 40, 1)
	for name, tt := range map[string]struct {
		fault func(b []byte) (int, error)
		is    error
	}{
		"an I/O error": {func([]byte) (int, error) { return 0, syscall.EIO }, syscall.EIO},
		"a short read": {func(b []byte) (int, error) { return len(b) / 2, io.EOF }, format.ErrTruncated},
		"other bytes":  {func(b []byte) (int, error) { clear(b); return len(b), nil }, format.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			f, r := openFaulty(t, path)
			rec, _, _ := r.Role(format.RoleUp, 5)
			fault := func(at int64, b []byte) (int, error, bool) {
				if middle := rec.Offset + rec.Length/2; at > middle || at+int64(len(b)) <= middle {
					return 0, nil, false
				}
				n, err := tt.fault(b)
				return n, err, true
			}
			b, _ := engine.NewBudget(r, engine.Options{Threads: 2, Context: 512})
			f.set(fault)
			if _, err := engine.Open(t.Context(), r, engine.Options{Threads: 2, Context: 512, Memory: b.Smallest()}); !errors.Is(err, tt.is) {
				t.Errorf("open: error is %v, want %v", err, tt.is)
			}
			f.set(nil)
			e := stream(t, r, engine.Options{Threads: 2, Context: 512}, 0)
			s := session(t, e)
			forward(t, s, prompt(40, 50)...)
			f.set(fault)
			s.Truncate(0)
			_, err := s.Forward(t.Context(), prompt(40, 50))
			if err == nil { // it had been read ahead
				_, err = s.Forward(t.Context(), prompt(40, 50))
			}
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), rec.String()) || !strings.Contains(err.Error(), path) {
				t.Errorf("error is %v, want one that names the file and %s", err, rec)
			}
			f.set(nil)
			for i, got := range steps(t, s, 40, 1) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("step %d after the fault gives other logits", i)
				}
			}
		})
	}
}

// A disk that stalls does not keep a cancelled pass waiting, nor Close; when it goes on, so does the engine.
func TestDenseStreamedStall(t *testing.T) {
	f, r := openFaulty(t, write(t, manyLayers(), quant.Q4_0))
	e := stream(t, r, engine.Options{Threads: 2, Context: 512}, 0)
	s := session(t, e)
	first := forward(t, s, prompt(40, 50)...)
	for _, end := range []bool{false, true} {
		goOn := cancelStalled(t, f, s, prompt(100, 50)[40:])
		if end {
			e.Close()
		}
		goOn()
		if !end {
			s.Truncate(0)
			if again := forward(t, s, prompt(40, 50)...); !slices.Equal(first, again) {
				t.Error("other logits after the stall")
			}
		}
	}
}

// Tokens of another sequence run between two layers of a long prompt, which leaves the order in which layers are read: both have the bits that they
// have alone.
func TestDenseStreamedInterject(t *testing.T) {
	path := write(t, manyLayers(), quant.Q4_0)
	whole := openReader(t, reader(t, path), engine.Options{Threads: 2})
	wantLong, wantShort := steps(t, session(t, whole), 400), steps(t, session(t, whole), 3, 1, 1, 1, 1, 1, 1)
	e := stream(t, reader(t, path), engine.Options{Threads: 2, Parallel: 3, Context: 512}, 4<<20)
	prompts := 3
	if testing.Short() {
		prompts = 1
	}
	var wg sync.WaitGroup
	for range 2 {
		s, chat := session(t, e), session(t, e)
		wg.Go(func() {
			for range prompts {
				if got := steps(t, s, 400); !slices.Equal(got[0], wantLong[0]) {
					t.Error("the prompt has other bits")
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				for i, got := range steps(t, chat, 3, 1, 1, 1, 1, 1, 1) {
					if !slices.Equal(got, wantShort[i]) {
						t.Errorf("step %d of the chat has other bits", i)
					}
				}
			}
		})
	}
	wg.Wait()
}

// A file that shrinks while it is in use is an error.
func TestDenseStreamedFileChanges(t *testing.T) {
	path := write(t, manyLayers(), quant.Q4_0)
	e := stream(t, reader(t, path), engine.Options{Threads: 2, Context: 512}, 0)
	s := session(t, e)
	forward(t, s, 1, 2, 3)
	if err := os.Truncate(path, 4096); err != nil {
		t.Skip("a file in use cannot be truncated here:", err)
	}
	if _, err := s.Forward(t.Context(), prompt(200, 50)); !errors.Is(err, format.ErrTruncated) && !errors.Is(err, format.ErrChanged) {
		t.Errorf("error is %v, want ErrTruncated", err)
	}
}
