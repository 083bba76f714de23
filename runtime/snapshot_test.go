package runtime_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"

	"st/runtime"
)

// What a loaded sequence continues is what the saved one does, to the bit, in every type of KV cache, with a window that has been overwritten, and
// in another context.
func TestSnapshot(t *testing.T) {
	for _, kv := range []runtime.KVType{runtime.KVF16, runtime.KVF32, runtime.KVQ8} {
		m := open(t, runtime.Options{KVType: kv})
		prompt := make([]int32, 700)
		rng := rand.New(rand.NewPCG(1, uint64(kv)))
		for i := range prompt {
			prompt[i] = int32(rng.IntN(m.Config().Vocab))
		}
		longer := append(append([]int32(nil), prompt...), 5, 6, 7)
		q := sequence(t, m)
		if _, _, err := collect(q.Generate(t.Context(), prompt, runtime.Generate{MaxTokens: -1})); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "prompt.seq")
		if err := q.Save(path, nil); err != nil {
			t.Fatal(err)
		}
		_, want, err := collect(q.Generate(t.Context(), longer, fixed(12)))
		if err != nil || want.CachedTokens != len(prompt) {
			t.Fatalf("%d tokens were cached, error %v", want.CachedTokens, err)
		}
		for _, opts := range []runtime.Options{{KVType: kv}, {KVType: kv, Context: 1000}, {KVType: kv, Memory: 1 << 30}} {
			m := open(t, opts)
			loaded, snapshot, err := m.LoadSequence(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer loaded.Close()
			if len(snapshot.Tokens) != len(prompt) {
				t.Errorf("%d tokens, want %d", len(snapshot.Tokens), len(prompt))
			}
			_, got, err := collect(loaded.Generate(t.Context(), longer, fixed(12)))
			if err != nil || got.CachedTokens != len(prompt) || got.Text != want.Text {
				t.Errorf("%s, %+v: %q with %d tokens cached, want %q: %v", kv, opts, got.Text, got.CachedTokens, want.Text, err)
			}
		}
	}
}

// Sequences are loaded while others generate: both are what they are alone, to the bit, also where they take memory from one another.
func TestLoadBesideGenerate(t *testing.T) {
	prompt := []int32{5, 6, 7, 8, 9, 10, 11, 12}
	for name, open := range map[string]func(*testing.T, runtime.Options) *runtime.Model{"in memory": open, "within a budget": openSmallest} {
		t.Run(name, func(t *testing.T) {
			m := open(t, runtime.Options{Threads: 2, Context: 1000, Parallel: 2})
			kept := make([]int32, 300)
			for i := range kept {
				kept[i] = int32(i%200 + 10)
			}
			path := filepath.Join(t.TempDir(), "kept.seq")
			q := sequence(t, m)
			if _, _, err := collect(q.Generate(t.Context(), kept, runtime.Generate{MaxTokens: -1})); err != nil {
				t.Fatal(err)
			}
			if err := q.Save(path, nil); err != nil {
				t.Fatal(err)
			}
			longer := append(slices.Clone(kept), 5, 6, 7)
			_, after, err := collect(q.Generate(t.Context(), longer, fixed(3)))
			if err != nil {
				t.Fatal(err)
			}
			q.Close()
			long := fixed(60)
			long.IgnoreEOS = true
			alone := sequence(t, m)
			_, want, err := collect(alone.Generate(t.Context(), prompt, long))
			if err != nil {
				t.Fatal(err)
			}
			alone.Close()

			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range 2 {
					q, err := m.NewSequence()
					if err != nil {
						t.Error(err)
						return
					}
					if _, got, err := collect(q.Generate(t.Context(), prompt, long)); err != nil || !slices.Equal(got.Tokens, want.Tokens) {
						t.Errorf("beside sequences that are loaded it writes %v, and %v alone: %v", got, want, err)
					}
					q.Close()
				}
			}()
			for loads := 0; ; loads++ {
				q, _, err := m.LoadSequence(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				if loads%2 == 0 { // the others are closed again at once
					if _, got, err := collect(q.Generate(t.Context(), longer, fixed(3))); err != nil || got.CachedTokens != len(kept) || !slices.Equal(got.Tokens, after.Tokens) {
						t.Errorf("load %d: %v, want %v: %v", loads, got, after, err)
					}
				}
				q.Close()
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
}

// A file of another model, of another type of KV cache, and every damaged one is refused.
func TestSnapshotErrors(t *testing.T) {
	m := open(t, runtime.Options{})
	q := sequence(t, m)
	if _, _, err := collect(q.Generate(t.Context(), encode(t, m, "The LORD is my shepherd"), fixed(4))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "prompt.seq")
	if err := q.Save(path, nil); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id := m.Fingerprint()
	want := &runtime.SnapshotHeader{Model: hex.EncodeToString(id[:]), KVType: "f16", Tokens: q.Len()}
	if h, err := runtime.ReadSnapshotHeader(path); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%+v, %v, want %+v", h, err, want)
	}
	if _, _, err := open(t, runtime.Options{KVType: runtime.KVQ8}).LoadSequence(t.Context(), path); !errors.Is(err, runtime.ErrSnapshotModel) {
		t.Errorf("with another type of KV cache: %v", err)
	}
	if _, _, err := open(t, runtime.Options{Context: 5}).LoadSequence(t.Context(), path); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("in a small context: %v", err)
	}
	if _, _, err := m.LoadSequence(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	bad := filepath.Join(dir, "bad.seq")
	refused := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(bad, data, 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, _, err := m.LoadSequence(t.Context(), bad)
		if err == nil {
			loaded.Close()
		}
		if !errors.Is(err, runtime.ErrSnapshotCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, n := range []int{0, 1, 8, 12, 50, 200, len(good) / 2, len(good) - 1} {
		refused("cut", good[:n])
		if _, err := runtime.ReadSnapshotHeader(bad); n <= 50 && !errors.Is(err, runtime.ErrSnapshotCorrupt) {
			t.Errorf("the header of %d bytes: %v", n, err)
		}
	}
	refused("longer", append(slices.Clone(good), 0))
	// Checksums that are right do not make it one: this model's positions are not rotated as a long sequence's.
	head := len("st-seq1\n") + 4 + int(binary.LittleEndian.Uint32(good[len("st-seq1\n"):])) + 4*q.Len() + 8
	long := slices.Clone(good)
	long[head] = 1
	refused("of a long sequence", binary.LittleEndian.AppendUint64(long[:len(long)-8], xxh3.Hash(long[head:len(long)-8])))
	rng := rand.New(rand.NewPCG(2, 3))
	for range 100 {
		data := append([]byte(nil), good...)
		data[rng.IntN(len(data))] ^= byte(1 + rng.IntN(255))
		refused("with another byte", data)
	}
	if n := m.Stats(); n.Tokens == 0 {
		t.Error("nothing was run")
	}
}

// A sequence of a model that is closed is not kept, and what was kept before stays.
func TestSaveClosed(t *testing.T) {
	m := open(t, runtime.Options{})
	q := sequence(t, m)
	if _, _, err := collect(q.Generate(t.Context(), encode(t, m, "The LORD"), fixed(4))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "prompt.seq")
	if err := q.Save(path, nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if err := q.Save(path, nil); !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("error is %v, want ErrClosed", err)
	}
	if after, err := os.ReadFile(path); err != nil || !slices.Equal(after, before) {
		t.Errorf("the file is another one: %v", err)
	}
}

// A file of a chat whose notes cannot be those of a chat is refused.
func TestChatLoadErrors(t *testing.T) {
	m := open(t, runtime.Options{})
	q := sequence(t, m)
	path := filepath.Join(t.TempDir(), "chat.seq")
	for _, note := range []string{``, `[]`, `{"text": "abc", "breaks": [2, 1]}`, `{"text": "abc", "breaks": [-1]}`, `{"text": "abc", "breaks": [4]}`} {
		if err := q.Save(path, []byte(note)); err != nil {
			t.Fatal(err)
		}
		c, err := m.LoadChat(t.Context(), path)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, runtime.ErrSnapshotCorrupt) {
			t.Errorf("note %q: %v", note, err)
		}
	}
}

// A conversation goes on where it was, with nothing run again.
func TestChatSave(t *testing.T) {
	m := open(t, runtime.Options{})
	c := m.NewChat(runtime.System("Be terse."))
	defer c.Close()
	say(t, c, "Hello", fixed(8))
	path := filepath.Join(t.TempDir(), "chat.seq")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := m.LoadChat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	greedy := runtime.Generate{MaxTokens: 8, Temperature: new(0.0)}
	want, got := say(t, c, "And you?", greedy), say(t, loaded, "And you?", greedy)
	if got.Text != want.Text || got.CachedTokens != want.CachedTokens || got.PromptTokens != want.PromptTokens {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := len(loaded.Messages()); n != 5 {
		t.Errorf("%d messages, want 5", n)
	}
	loaded.Reset()
	if got := loaded.Messages(); len(got) != 1 || got[0].Content != "Be terse." {
		t.Errorf("after Reset: %v", got)
	}

	other, err := m.LoadChat(t.Context(), path, runtime.System("Be verbose."))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := other.Messages(); len(got) != 3 || got[0].Content != "Be verbose." {
		t.Errorf("with another system message: %v", got)
	}
}

// A conversation that is longer than the context can be read without its KV cache: without its oldest turns it goes on.
func TestReadChat(t *testing.T) {
	m := open(t, runtime.Options{})
	c := m.NewChat(runtime.System("Be terse."))
	defer c.Close()
	for range 3 {
		say(t, c, "Tell me more about the sea.", fixed(8))
	}
	path := filepath.Join(t.TempDir(), "chat.seq")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	small := open(t, runtime.Options{Context: 80})
	if _, err := small.LoadChat(t.Context(), path); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("LoadChat: %v", err)
	}
	read, err := small.ReadChat(path)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if got := read.Messages(); !reflect.DeepEqual(got, c.Messages()) {
		t.Errorf("%v, want %v", got, c.Messages())
	}
	if _, _, err := collect(read.Send(t.Context(), "And ships?", fixed(8))); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("Send: %v", err)
	}
	for range 2 {
		if n := read.DropOldest(); n != 2 {
			t.Errorf("%d messages were left out", n)
		}
	}
	if r := say(t, read, "And ships?", fixed(8)); r.CachedTokens != 0 {
		t.Errorf("%d tokens were cached", r.CachedTokens)
	}
	read.Reset()
	if got := read.Messages(); len(got) != 1 || got[0].Content != "Be terse." {
		t.Errorf("after Reset: %v", got)
	}
}
