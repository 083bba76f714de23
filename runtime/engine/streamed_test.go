package engine_test

import (
	"errors"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// manyExperts is a model whose experts do not fit in a small budget.
func manyExperts() modeltest.Shape {
	return variant(func(s *modeltest.Shape) {
		s.Layers, s.RoPE, s.Sliding = 3, []int{0, 1, 1}, []int{0, 1, 0}
		s.Experts, s.TopK = 12, 2
	})
}

// write converts a model and returns the file's name. The file is the test's own.
func write(t *testing.T, shape modeltest.Shape, typ quant.Type) string {
	t.Helper()
	dir := t.TempDir()
	if err := modeltest.New(shape, 1).Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// stream opens a model within the smallest budget, and some bytes more. It lends few slots: all that a batch's memory has room for would be all experts.
func stream(t *testing.T, r *format.Reader, opts engine.Options, more int64) *engine.Engine {
	t.Helper()
	return lending(t, r, opts.LendAtMost(3), more)
}

// lending is stream with as many slots lent as a batch's memory has room for.
func lending(t *testing.T, r *format.Reader, opts engine.Options, more int64) *engine.Engine {
	t.Helper()
	b, _ := engine.NewBudget(r, opts)
	opts.Memory = b.Smallest() + more
	e, err := engine.Open(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func reader(t *testing.T, path string) *format.Reader {
	t.Helper()
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// steps runs a prompt and tokens after it and returns the logits of each step.
func steps(t *testing.T, s *engine.Session, lengths ...int) [][]float32 {
	t.Helper()
	s.Truncate(0)
	var got [][]float32
	tokens := prompt(1000, 50)
	for _, n := range lengths {
		got = append(got, forward(t, s, tokens[s.Len():s.Len()+n]...))
	}
	return got
}

// A budget changes nothing but speed: the same bits come out, whatever fits and however many threads there are.
func TestStreamedBits(t *testing.T) {
	for name, shape := range map[string]modeltest.Shape{
		"many experts": manyExperts(), "top-1": variants["top-1"], "all experts": variants["all experts"], "one expert": variants["one expert"],
		"untied": variants["untied"], "odd rows": variants["rows of no whole block"],
	} {
		for _, typ := range anyType(quant.F32, quant.Q4_0) {
			t.Run(name+" "+typ.String(), func(t *testing.T) {
				r := reader(t, write(t, shape, typ))
				mapped, err := engine.Open(t.Context(), r, engine.Options{Threads: 2})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { mapped.Close() })
				lengths := []int{1, 30, 1, 1, 280, 1, 1}
				want := steps(t, session(t, mapped), lengths...)
				for _, more := range []int64{0, 100 << 10, 1 << 30} {
					for _, threads := range []int{1, 3} {
						e := stream(t, r, engine.Options{Threads: threads}, more)
						for i, got := range steps(t, session(t, e), lengths...) {
							if !slices.Equal(got, want[i]) {
								d, _ := difference(want[i], got)
								t.Errorf("%d bytes more than the smallest budget, %d threads: step %d differs by up to %g", more, threads, i, d)
							}
						}
						if s := e.Stats(); s.ExpertReads == 0 || s.ExpertMisses > s.ExpertUses {
							t.Errorf("%+v", s)
						}
					}
				}
			})
		}
	}
}

// A budget that is too small is refused with the smallest that works, which does; a context that is not asked for is cut.
func TestBudget(t *testing.T) {
	shape := manyExperts()
	shape.Context = 1 << 20
	r := reader(t, write(t, shape, quant.Q4_0))
	b, err := engine.NewBudget(r, engine.Options{Memory: 1 << 20, Other: 5 << 20})
	if !errors.Is(err, engine.ErrMemory) || !strings.Contains(err.Error(), "with a context of 512") || !strings.Contains(err.Error(), "program and tokenizer 5MiB") {
		t.Fatalf("error is %v", err)
	}
	opts := engine.Options{Memory: b.Smallest(), Other: 5 << 20}
	e, err := engine.Open(t.Context(), r, opts)
	if err != nil {
		t.Fatalf("the smallest budget is refused: %v", err)
	}
	defer e.Close()
	if e.Context() != 512 {
		t.Errorf("context is %d, want the smallest, 512", e.Context())
	}
	// The KV cache takes its memory from the experts until the context is full.
	s := session(t, e)
	forward(t, s, prompt(512, 50)...)
	if _, err := s.Forward(t.Context(), []int32{1}); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("error is %v, want ErrContextFull", err)
	}
	// There is nothing left for a second sequence.
	if _, err := session(t, e).Forward(t.Context(), []int32{1}); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("error is %v, want ErrMemory", err)
	}
	opts.Memory -= 1 << 10
	if _, err := engine.Open(t.Context(), r, opts); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("with a little less: error is %v, want ErrMemory", err)
	}
	opts.Memory, opts.Context = b.Smallest(), 5000
	if _, err := engine.Open(t.Context(), r, opts); !errors.Is(err, engine.ErrMemory) || !strings.Contains(err.Error(), "context of 5000 ") {
		t.Errorf("a context that does not fit: error is %v, want ErrMemory", err)
	}
}

// MemoryFor is what so many experts take beside a whole KV cache, some of them in memory that is lent, and no more.
func TestMemoryFor(t *testing.T) {
	for _, lent := range []int{0, 3} {
		r := reader(t, write(t, manyExperts(), quant.Q4_0))
		opts := engine.Options{Other: 5 << 20, Context: 64}.LendAtMost(int64(lent))
		smallest, context := engine.SmallestMemory(r, opts)
		b, _ := engine.NewBudget(r, opts)
		if smallest != b.Smallest() || context != 64 {
			t.Errorf("the smallest memory is %d with a context of %d, want %d with 64", smallest, context, b.Smallest())
		}
		rec, _ := r.Expert(0, 0)
		least, n := int(b.SmallestExperts/rec.Length)+lent, r.Config.ExpertCount()-1
		if got, kept := engine.MemoryFor(r, opts, 0); got != smallest || kept != least {
			t.Errorf("memory for no experts is %d and keeps %d, want the smallest that works, %d, and %d", got, kept, smallest, least)
		}
		var kept int
		if opts.Memory, kept = engine.MemoryFor(r, opts, n); kept != n {
			t.Errorf("%d experts were asked for, and %d stay", n, kept)
		}
		for _, tt := range []struct {
			less int64
			want int
		}{{0, n}, {rec.Length / 2, n - 1}} {
			opts.Memory -= tt.less
			b, err := engine.NewBudget(r, opts)
			if err != nil {
				t.Fatal(err)
			}
			left := b.Total - b.Other - b.Dense - b.Working - b.Reserve - b.KV
			if got := int((left/rec.Length*rec.Length + b.Lent) / rec.Length); got != tt.want {
				t.Errorf("%d lent: %d bytes less leave room for %d experts, want %d", lent, tt.less, got, tt.want)
			}
		}
	}
}

// Memory does not grow while tokens are generated at the smallest budget.
func TestStreamedMemory(t *testing.T) {
	e := stream(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2, Context: 400}, 0)
	s := session(t, e)
	run := func(n int) uint64 {
		for range n {
			s.Truncate(0)
			forward(t, s, prompt(20, 50)...)
			for i := range 30 {
				if _, err := s.Forward(t.Context(), []int32{int32(i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := run(5)
	if after := run(40); after > before+64<<10 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// What was recorded of the experts fills the cache first.
func TestRecordedUsage(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	r := reader(t, path)
	e := stream(t, r, engine.Options{Threads: 2}, 0)
	steps(t, session(t, e), 40, 1, 1)
	u := e.Usage()
	var sum int64
	for _, n := range u.Uses {
		sum += n
	}
	if u.Tokens != 42 || sum != 42*3*2 {
		t.Errorf("%d tokens and %d uses were counted", u.Tokens, sum)
	}
	for i := range 3 { // both copies in the file are written
		if name, err := r.RecordUsage(u); err != nil || name != path {
			t.Fatalf("recorded in %q: %v", name, err)
		}
		got, err := reader(t, path).Usage()
		if err != nil || got == nil || got.Tokens != int64(42*(i+1)) || got.Uses[5] != u.Uses[5]*int64(i+1) {
			t.Fatalf("after %d records: %+v, %v", i+1, got, err)
		}
	}
	if errs := reader(t, path).Verify(t.Context(), 1, nil); len(errs) > 0 {
		t.Errorf("the file is not intact: %v", errs)
	}
}

// What is known of earlier runs fills the cache first, whether the file has it or the caller; the file's word counts.
func TestKnownUsage(t *testing.T) {
	shape := manyExperts()
	shape.Layers, shape.Experts, shape.RoPE, shape.Sliding = 8, 48, make([]int, 8), make([]int, 8)
	count := shape.Layers * shape.Experts
	path := write(t, shape, quant.Q4_0)
	odd := func(first int) *format.Usage { // every other expert
		u := &format.Usage{Tokens: 1000, Uses: make([]int64, count)}
		for i := first; i < count; i += 2 {
			u.Uses[i] = int64(count - i)
		}
		return u
	}
	residents := func(remembered *format.Usage) (known *format.Usage, odd, even int) {
		e := stream(t, reader(t, path), engine.Options{Threads: 2, Remembered: remembered}, 0)
		engine.Eventually(t, "the cache is filled", e.Filled)
		for id, in := range e.Residents(nil) {
			if in && id%2 == 1 {
				odd++
			} else if in {
				even++
			}
		}
		return e.Known(), odd, even
	}
	if known, odd, even := residents(nil); known != nil || odd == 0 || even == 0 || odd+even > count/2 {
		t.Errorf("%d and %d of %d are in memory, and %+v is known", odd, even, count, known)
	}
	if known, odd, even := residents(&format.Usage{Tokens: 1, Uses: make([]int64, count-1)}); known != nil || odd == 0 || even == 0 {
		t.Errorf("of another model: %d and %d are in memory, and %+v is known", odd, even, known)
	}
	remembered := odd(1)
	if known, odd, even := residents(remembered); known != remembered || odd == 0 || even > 0 {
		t.Errorf("remembered: %d that were used are in memory, and %d others", odd, even)
	}
	if _, err := reader(t, path).RecordUsage(odd(0)); err != nil {
		t.Fatal(err)
	}
	if known, odd, even := residents(remembered); known == remembered || odd > 0 || even == 0 {
		t.Errorf("recorded: %d that were used are in memory, and %d others", even, odd)
	}
}

// openReader opens a model that is mapped into memory.
func openReader(t *testing.T, r *format.Reader, opts engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
