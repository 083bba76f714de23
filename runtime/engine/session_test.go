package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime"
	"st/runtime/engine"
)

func forward(t *testing.T, s *engine.Session, tokens ...int32) []float32 {
	t.Helper()
	logits, err := s.Forward(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(logits)
}

func session(t *testing.T, e *engine.Engine) *engine.Session {
	t.Helper()
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSession(t *testing.T) {
	m := modeltest.New(base(), 1)
	e := open(t, m, (*modeltest.Model).Write, quant.Q8_0, engine.Options{Context: 10, Threads: 2})
	s := session(t, e)
	first := forward(t, s, 3, 1, 4)
	if s.Len() != 3 {
		t.Errorf("length is %d, want 3", s.Len())
	}
	s.Truncate(0)
	if again := forward(t, s, 3, 1, 4); !slices.Equal(first, again) {
		t.Error("after Reset the same tokens give other logits")
	}
	// A second session knows nothing of the first.
	if other := forward(t, session(t, e), 3, 1, 4); !slices.Equal(first, other) {
		t.Error("another session gives other logits")
	}
	for _, tt := range []struct {
		tokens []int32
		want   string
	}{
		{nil, "no tokens"},
		{[]int32{1, 50}, "token 1 of the input is 50: the vocabulary has no such token: its ids are 0 to 49"},
		{[]int32{-1}, "token 0 of the input is -1"},
		{make([]int32, 8), "context is full"},
	} {
		if _, err := s.Forward(t.Context(), tt.tokens); !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%d tokens: error is %v, want one that says %q", len(tt.tokens), err, tt.want)
		}
	}
	if _, err := s.Forward(t.Context(), make([]int32, 8)); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("error is %v, want ErrContextFull", err)
	}
	forward(t, s, 1, 2, 3, 4, 5, 6, 7) // refused input has changed nothing: seven more fill the context
}

func TestCancel(t *testing.T) {
	m := modeltest.New(base(), 1)
	e := open(t, m, (*modeltest.Model).Write, quant.F32, engine.Options{Threads: 2})
	s := session(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Forward(ctx, []int32{1, 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	// What was not run is not in the sequence, which goes on.
	if s.Len() != 0 {
		t.Errorf("%d tokens are in the sequence", s.Len())
	}
	want := forward(t, session(t, e), 1, 2)
	if got := forward(t, s, 1, 2); !slices.Equal(got, want) {
		t.Error("a session that was cancelled gives other logits")
	}
}

// Any number of threads gives the same bits, in every run: for a prompt, for single tokens after it, and for those after so
// many that attention is split.
func TestThreads(t *testing.T) {
	m := modeltest.New(base(), 1)
	tokens := prompt(splitAttention+60, 50)
	for _, typ := range anyType(quant.F32, quant.Q8_0, quant.Q4_0) {
		r := convertModel(t, m, (*modeltest.Model).Write, typ)
		var want [][]float32
		for _, threads := range []int{1, 2, 3, 8, 2} {
			e := openReader(t, r, engine.Options{Threads: threads, Context: len(tokens) + 10})
			s := session(t, e)
			var got [][]float32
			for _, n := range []int{60, 1, 1, splitAttention - 10, 1, 1} {
				got = append(got, forward(t, s, tokens[s.Len():s.Len()+n]...))
			}
			if want == nil {
				want = got
			}
			for i := range got {
				if !slices.Equal(got[i], want[i]) {
					d, _ := difference(want[i], got[i])
					t.Errorf("%s, %d threads: step %d differs from one thread by up to %g", typ, threads, i, d)
				}
			}
		}
	}
}

// Threads that are more than the parts of a short context share out the query heads of a KV head, also an odd number of them: the bits stay.
func TestThreadsShareHeads(t *testing.T) {
	m := modeltest.New(variant(func(s *modeltest.Shape) { s.Heads, s.KVHeads = 5, 1 }), 2)
	tokens := prompt(40, 50)
	r := convertModel(t, m, (*modeltest.Model).Write, quant.Q4_0)
	var want []float32
	for _, threads := range []int{1, 2, 3, 7} {
		e := openReader(t, r, engine.Options{Threads: threads})
		s := session(t, e)
		forward(t, s, tokens[:38]...)
		forward(t, s, tokens[38])
		got := forward(t, s, tokens[39])
		if want == nil {
			want = slices.Clone(got)
		}
		if !slices.Equal(got, want) {
			d, _ := difference(want, got)
			t.Errorf("%d threads: logits differ from one thread's by up to %g", threads, d)
		}
	}
}

// splitAttention is a context that a single token's attention takes in several parts.
const splitAttention = 1200

// A layer with a window keeps its window and as many positions more, however long the sequence.
func TestKVBytes(t *testing.T) {
	shape := variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{0, 1, 1}, 16 })
	e := open(t, modeltest.New(shape, 1), (*modeltest.Model).Write, quant.F32, engine.Options{Threads: 2})
	s := session(t, e)
	forward(t, s, prompt(300, 50)...)
	row := int64(shape.KVHeads * shape.HeadDim * 2 * 2) // keys and values, float16
	// The layer without a window has two pages of 256 positions.
	if got, want := s.KVBytes(), (512+32+32)*row; got != want {
		t.Errorf("the KV cache has %d bytes, want %d", got, want)
	}
}

// A sequence that is longer than its window can be cut to fewer tokens while the ring has what they need, also again and again, after a copy, and
// after it was saved; what it goes on with has the bits of one that never had others.
func TestTruncateBeyondWindow(t *testing.T) {
	const window = 16
	shape := variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{0, 1, 1}, window })
	e := open(t, modeltest.New(shape, 1), (*modeltest.Model).Write, quant.F32, engine.Options{Threads: 2})
	tokens := prompt(100, 50)
	s := session(t, e)
	forward(t, s, tokens[:99]...)
	want := slices.Clone(forward(t, s, tokens[99]))
	for i, answer := range []int{window - 1, 3, window} { // an answer that is longer than the spare slots loses the prompt
		forward(t, s, prompt(answer, 50)...)
		kept := 99
		if answer >= window {
			kept = 0
		}
		if keeps, n := s.Keeps(99), s.Truncate(99); keeps != kept || n != kept {
			t.Fatalf("after an answer of %d tokens %d and %d are kept, want %d", answer, keeps, n, kept)
		}
		if kept == 0 {
			forward(t, s, tokens[:99]...)
		}
		if got := forward(t, s, tokens[99]); !slices.Equal(got, want) {
			t.Errorf("answer %d, after one of %d tokens, has other bits", i, answer)
		}
	}

	rng := rand.New(rand.NewPCG(1, 1))
	var held []int32
	var calls []int // lengths after which a call began
	most := 0.0
	cut := 0 // how often some were kept of more than the window
	for range 150 {
		if n := rng.IntN(len(held) + 1); rng.IntN(2) == 0 && n > 0 {
			if rng.IntN(4) > 0 {
				n = max(n, len(held)-rng.IntN(window))
			}
			kept := s.Truncate(n)
			if kept != n && kept != 0 {
				t.Fatalf("%d tokens are kept, want %d or none", kept, n)
			}
			if held = held[:kept]; kept > window {
				cut++
			}
			continue
		}
		if held == nil || rng.IntN(8) == 0 {
			s.Truncate(0)
			held = held[:0]
		}
		calls = append(slices.DeleteFunc(calls, func(n int) bool { return n >= len(held) }), len(held))
		for range 1 + rng.IntN(2*window) {
			held = append(held, int32(rng.IntN(50)))
		}
		got := slices.Clone(forward(t, s, held[s.Len():]...))
		fresh := session(t, e)
		var want []float32
		for i, from := range calls { // how a prompt is cut changes the last bits
			to := len(held)
			if i+1 < len(calls) {
				to = calls[i+1]
			}
			want = forward(t, fresh, held[from:to]...)
		}
		fresh.Close()
		// A part that was cut short was run together with more, which may round otherwise.
		if d, _ := difference(want, got); d > 2e-3 {
			t.Fatalf("the logits of %d tokens differ by %g from those of a new sequence", len(held), d)
		} else {
			most = max(most, d)
		}
		switch rng.IntN(4) {
		case 0:
			f, err := s.Fork(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s = f
			defer f.Close()
		case 1:
			var saved bytes.Buffer
			if _, err := s.Save(&saved); err != nil {
				t.Fatal(err)
			}
			s = session(t, e)
			if err := s.Load(t.Context(), held, &saved); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d cuts; logits differ by %g at most", cut, most)
	if cut < 10 {
		t.Errorf("sequences beyond the window were cut %d times: the test proves little", cut)
	}
}

// A damaged expert is an error that names it, when it is first used, and not before.
func TestDamagedExpert(t *testing.T) {
	m := modeltest.New(variant(func(s *modeltest.Shape) { s.TopK = s.Experts }), 1)
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	damage := func(rec *format.Record) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 1)
		f.ReadAt(b, rec.Offset+100)
		b[0] ^= 1
		if _, err := f.WriteAt(b, rec.Offset+100); err != nil {
			t.Fatal(err)
		}
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	expert, _ := r.Expert(1, 3)
	damage(expert)
	e, err := engine.Open(t.Context(), r, engine.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = session(t, e).Forward(t.Context(), []int32{1, 2, 3})
	e.Close()
	if !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "layer 1 expert 3") {
		t.Errorf("error is %v, want ErrCorrupt that names %s and layer 1 expert 3", err, path)
	}
	// Damage in the dense part is found at once.
	damage(expert)
	dense, _, _ := r.Lookup("model.layers.2.self_attn.v_proj.weight")
	damage(dense)
	if _, err := engine.Open(t.Context(), r, engine.Options{}); !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), "v_proj") {
		t.Errorf("error is %v, want ErrCorrupt that names v_proj", err)
	}
}

// A file that shrinks while it is in use is an error, not a crash.
func TestTruncatedWhileRunning(t *testing.T) {
	m := modeltest.New(base(), 1)
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e, err := engine.Open(t.Context(), r, engine.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Skip("a mapped file cannot be truncated here:", err)
	}
	if _, err := session(t, e).Forward(t.Context(), []int32{1, 2, 3}); !errors.Is(err, engine.ErrFile) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v, want ErrFile that names %s", err, path)
	}
}

// A file that is overwritten in place while it is in use is an error, however small the change that its header shows.
func TestOverwrittenWhileRunning(t *testing.T) {
	path := write(t, base(), quant.Q4_0)
	e := openReader(t, reader(t, path), engine.Options{Threads: 2})
	s := session(t, e)
	forward(t, s, 1, 2, 3)
	other, err := os.ReadFile(write(t, variant(func(s *modeltest.Shape) { s.Theta = 2e4 }), quant.Q4_0))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(other, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Forward(t.Context(), []int32{1}); !errors.Is(err, format.ErrChanged) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v, want ErrChanged that names %s", err, path)
	}
}

// A token that is generated leaves no garbage behind.
func TestDecodeAllocations(t *testing.T) {
	m := modeltest.New(base(), 1)
	for _, threads := range []int{1, 2} {
		e := open(t, m, (*modeltest.Model).Write, quant.Q4_0, engine.Options{Context: 400, Threads: threads})
		s := session(t, e)
		sampler, err := runtime.NewSampler(runtime.SamplerOptions{Temperature: 1, TopK: 20, TopP: 0.9, MinP: 0.01, RepeatPenalty: 1.1})
		if err != nil {
			t.Fatal(err)
		}
		next := make([]int32, 1)
		token := func() {
			logits, err := s.Forward(t.Context(), next)
			if err != nil {
				t.Fatal(err)
			}
			next[0] = sampler.Sample(logits)
		}
		for range 270 { // experts are verified and pages of the KV cache made as they are needed
			token()
		}
		if n := testing.AllocsPerRun(100, token); n > 0 {
			t.Errorf("%d threads: %v allocations per token", threads, n)
		}
	}
}
