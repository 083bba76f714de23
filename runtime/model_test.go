package runtime_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"st/format"
	"st/runtime"
)

func TestOpenFails(t *testing.T) {
	if _, err := runtime.Open(t.Context(), "nowhere.stm", runtime.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	_, err := runtime.Open(t.Context(), modelPath, runtime.Options{Memory: 1 << 20})
	if !errors.Is(err, runtime.ErrMemory) || !strings.Contains(err.Error(), "this model needs") {
		t.Errorf("a budget that is too small: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runtime.Open(ctx, modelPath, runtime.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A budget changes where weights are, and not the text.
func TestMemory(t *testing.T) {
	g := runtime.Generate{MaxTokens: 30, Seed: new(uint64(7))}
	free, bound := open(t, runtime.Options{}), open(t, runtime.Options{Memory: 1 << 30})
	if a, b := generate(t, free, "It was", g), generate(t, bound, "It was", g); a.Text != b.Text {
		t.Errorf("without a budget %q, with one %q", a.Text, b.Text)
	}
	if got := bound.Memory(); got.Budget != 1<<30 || got.Chosen || got.Needed < 3<<20 {
		t.Errorf("%+v", got)
	}
	if got := free.Memory(); got.Budget != 0 || got.Chosen {
		t.Errorf("%+v", got)
	}
}

// Eight goroutines generate on one model what each of them would alone, in the mapped file and within a budget.
func TestConcurrent(t *testing.T) {
	for _, opts := range []runtime.Options{{}, {Parallel: 8}, {Parallel: 4, Memory: 1 << 30}} {
		m := open(t, opts)
		want := make([]string, 8)
		options := func(i int) runtime.Generate {
			return runtime.Generate{MaxTokens: 12, Seed: new(uint64(i))}
		}
		for i := range want {
			want[i] = generate(t, m, "To be", options(i)).Text
		}
		var group sync.WaitGroup
		for i := range want {
			group.Go(func() {
				if _, got, err := collect(m.Generate(t.Context(), "To be", options(i))); err != nil || got.Text != want[i] {
					t.Errorf("seed %d: %+v, %v, alone %q", i, got, err, want[i])
				}
				chat := m.NewChat()
				defer chat.Close()
				if _, r, err := collect(chat.Send(t.Context(), "Hello", options(i))); err != nil || len(r.Tokens) == 0 {
					t.Errorf("chat %d: %+v, %v", i, r, err)
				}
			})
		}
		group.Wait()
		if n := m.Engine().KVBytes(); n != 0 {
			t.Errorf("%+v: %d bytes of KV cache are left when all is closed", opts, n)
		}
	}
}

// Two models of a process know nothing of each other.
func TestTwoModels(t *testing.T) {
	a, b := open(t, runtime.Options{}), open(t, runtime.Options{Memory: 1 << 30})
	g := runtime.Generate{MaxTokens: 20, Seed: new(uint64(4))}
	want := generate(t, a, "To be", g).Text
	var group sync.WaitGroup
	for _, m := range []*runtime.Model{a, b, a, b} {
		group.Go(func() {
			if _, r, err := collect(m.Generate(t.Context(), "To be", g)); err != nil || r.Text != want {
				t.Errorf("%+v, %v, want %q", r, err, want)
			}
		})
	}
	group.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := generate(t, b, "To be", g).Text; got != want {
		t.Errorf("after the other was closed %q, want %q", got, want)
	}
}

// A context that ends stops one text and no other.
func TestConcurrentCancel(t *testing.T) {
	m := open(t, runtime.Options{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			var result *runtime.Result
			var err error
			for p, e := range m.Generate(ctx, "To be", runtime.Generate{MaxTokens: 20, Temperature: new(1.0), IgnoreEOS: true}) {
				if n++; n == 5 && i%2 == 0 {
					cancel()
				}
				result, err = p.Done, e
			}
			switch {
			case i%2 == 0 && (!errors.Is(err, context.Canceled) || result == nil || result.Stop != runtime.StopInterrupted || len(result.Tokens) != 5):
				t.Errorf("cancelled after 5 tokens: %+v, %v", result, err)
			case i%2 != 0 && (err != nil || len(result.Tokens) != 20):
				t.Errorf("not cancelled: %+v, %v", result, err)
			}
		})
	}
	group.Wait()
}

// Close while others generate: they get ErrClosed, and so does everything after it.
func TestCloseWhileGenerating(t *testing.T) {
	for _, opts := range []runtime.Options{{}, {Memory: 1 << 30}} {
		m := open(t, opts)
		begun := make(chan bool, 8)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				n := 0
				_, r, err := collect(func(yield func(runtime.Piece, error) bool) {
					for p, err := range m.Generate(context.Background(), "To be", runtime.Generate{Temperature: new(1.0), IgnoreEOS: true}) {
						if n++; n == 2 {
							begun <- true
						}
						if !yield(p, err) {
							return
						}
					}
				})
				if !errors.Is(err, runtime.ErrClosed) || r == nil || len(r.Tokens) == 0 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		for range 8 {
			<-begun
		}
		var closing sync.WaitGroup
		for range 2 {
			closing.Go(func() {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		closing.Wait()
		group.Wait()
	}
}

func TestUseAfterClose(t *testing.T) {
	m := open(t, runtime.Options{})
	chat, unused := m.NewChat(), m.NewChat()
	say(t, chat, "Hello", runtime.Generate{MaxTokens: 2})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() error{
		"Generate":    func() error { _, _, err := collect(m.Generate(t.Context(), "x", runtime.Generate{})); return err },
		"Logits":      func() error { return m.Logits(t.Context(), []int32{1}, func(int, []float32) error { return nil }) },
		"Run":         func() error { return m.Run(t.Context(), []int32{1}, 1, func(int) {}) },
		"RecordUsage": func() error { _, _, err := m.RecordUsage(); return err },
		"Send":        func() error { _, _, err := collect(chat.Send(t.Context(), "x", runtime.Generate{})); return err },
		"a new chat":  func() error { _, _, err := collect(unused.Send(t.Context(), "x", runtime.Generate{})); return err },
	} {
		if err := use(); !errors.Is(err, runtime.ErrClosed) || !strings.Contains(err.Error(), modelPath) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := chat.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := collect(chat.Send(t.Context(), "x", runtime.Generate{})); !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("a chat that is closed: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A model that is dropped closes its file.
func TestDropped(t *testing.T) {
	file := &watchedFile{closed: make(chan bool)}
	func() {
		f, err := os.Open(modelPath)
		if err != nil {
			t.Fatal(err)
		}
		file.File = f
		r, err := format.NewReader(file, modelPath)
		if err != nil {
			t.Fatal(err)
		}
		m, err := runtime.New(t.Context(), r, runtime.Options{Memory: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		generate(t, m, "To be", runtime.Generate{MaxTokens: 2})
	}()
	for { // a file that stays open ends in the test's time limit
		goruntime.GC()
		select {
		case <-file.closed:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// watchedFile tells when it is closed.
type watchedFile struct {
	*os.File
	closed chan bool
}

func (f *watchedFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *watchedFile) Close() error {
	close(f.closed)
	return f.File.Close()
}

func TestLogits(t *testing.T) {
	m := open(t, runtime.Options{KVType: runtime.KVF32, Context: 5})
	tokens := []int32{831, 298, 14, 20, 7}
	var rows [][]float32
	err := m.Logits(t.Context(), tokens, func(i int, logits []float32) error {
		if i != len(rows) {
			t.Errorf("logits of token %d come as number %d", i, len(rows))
		}
		rows = append(rows, slices.Clone(logits))
		return nil
	})
	if err != nil || len(rows) != 5 || len(rows[0]) != m.Config().Vocab {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	stop := errors.New("enough")
	if err := m.Logits(t.Context(), tokens, func(int, []float32) error { return stop }); err != stop {
		t.Errorf("the error of the caller: %v", err)
	}
	if err := m.Logits(t.Context(), make([]int32, 6), nil); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("more than the context: %v", err)
	}
}

// What experts were used is recorded in the file.
func TestRecordUsage(t *testing.T) {
	data, err := os.ReadFile(modelPath)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.stm")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if to, n, err := m.RecordUsage(); to != "" || n != 0 || err != nil {
		t.Errorf("nothing was run: %s, %d, %v", to, n, err)
	}
	r := generate(t, m, "To be", runtime.Generate{MaxTokens: 4, Temperature: new(0.0)})
	want := int64(r.PromptTokens + r.Decoded)
	if to, n, err := m.RecordUsage(); to != path || n != want || err != nil {
		t.Errorf("%s, %d, %v, want %d", to, n, err, want)
	}
	if u, err := m.File().Usage(); err != nil || u.Tokens != want {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestEncode(t *testing.T) {
	m := open(t, runtime.Options{})
	special, err := m.Encode("a<|im_end|>")
	if err != nil || len(special) != 2 || special[1] != 4095 {
		t.Errorf("%v, %v", special, err)
	}
	plain, err := m.EncodePlain("a<|im_end|>")
	if err != nil || slices.Contains(plain, 4095) || m.Tokenizer().Decode(plain, true) != "a<|im_end|>" {
		t.Errorf("%v, %v", plain, err)
	}
}
