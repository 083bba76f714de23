package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// tinyModel converts the small model.
func tinyModel(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model that does not fit in what is allowed gets a budget that does, unless one was asked for.
func TestChooseMemory(t *testing.T) {
	r, err := format.Open(tinyModel(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const mebibyte = 1 << 20
	for _, tt := range []struct {
		name                   string
		asked, allowed, budget int64
		chosen, exceeds        bool
	}{
		{"nothing is known", 0, 0, 0, false, false},
		{"there is enough", 0, 1 << 40, 0, false, false},
		{"19/20 of what is allowed, in whole MiB", 0, 30*mebibyte + 12345, 28 * mebibyte, true, false},
		{"asked for, and allowed", 20 * mebibyte, 30 * mebibyte, 20 * mebibyte, false, false},
		{"asked for, and more than is allowed", 1 << 30, 30 * mebibyte, 1 << 30, false, true},
		{"more than is allowed, and than the model needs", 1 << 40, 1 << 35, 1 << 40, false, false},
		{"asked for, and nothing is known", 1 << 30, 0, 1 << 30, false, false},
	} {
		opts := engine.Options{Memory: tt.asked, Other: 10 * mebibyte}
		m := chooseMemory(r, &opts, tt.allowed, "a test")
		if m.Budget != tt.budget || opts.Memory != tt.budget || m.Chosen != tt.chosen || m.Exceeds() != tt.exceeds ||
			m.Allowed != tt.allowed || m.Source != "a test" || m.Needed < 35*mebibyte {
			t.Errorf("%s: %+v, the engine has %d", tt.name, m, opts.Memory)
		}
	}
}

// An error about a budget says who set it: the caller, or what the system allows.
func TestMemoryErrors(t *testing.T) {
	const mebibyte = 1 << 20
	small := fmt.Errorf("x.stm: %w: 13MiB", ErrMemory)
	chosen := Memory{Budget: 13 * mebibyte, Chosen: true, Allowed: 14 * mebibyte, Source: "a test"}
	if err := chosen.explain(small); !errors.Is(err, ErrMemory) || err.Error() != small.Error()+"; the budget was chosen, as a test allows 14 MiB" {
		t.Errorf("chosen: %v", err)
	}
	if err := (Memory{Budget: 13 * mebibyte, Allowed: 14 * mebibyte}).explain(small); err != small {
		t.Errorf("asked for: %v", err)
	}
	if err := chosen.explain(ErrContextFull); err != ErrContextFull {
		t.Errorf("another error: %v", err)
	}
	if engine.AddressSpace == "" {
		return // this system's limit is not known
	}
	left := Memory{Budget: mebibyte, Needed: 50 * mebibyte, Allowed: 1, Source: engine.AddressSpace}
	if err := left.checkAddresses("x.stm"); err == nil || !strings.Contains(err.Error(), "x.stm: a memory budget of 1 MiB is more than") {
		t.Errorf("asked for: %v", err)
	}
	left.Chosen = true
	if err := left.checkAddresses("x.stm"); err == nil || !strings.Contains(err.Error(), "x.stm: the limit of the process's address space leaves no memory") {
		t.Errorf("chosen: %v", err)
	}
}

// unmappable is a file as some file systems have it: it can be read and not mapped.
type unmappable struct{ *os.File }

func (f unmappable) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// A file that cannot be mapped is read: the budget is chosen for it, and the text is the same.
func TestUnmapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	text := func(m *Model) string {
		var text strings.Builder
		for piece, err := range m.Generate(t.Context(), "Once upon a time", Generate{MaxTokens: 8, Seed: new(uint64(7))}) {
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(piece.Text)
		}
		return text.String()
	}
	mapped, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.NewReader(unmappable{f}, path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(t.Context(), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.Memory(); !got.Unmapped || !got.Chosen || got.Budget < got.Needed || got.Budget > got.Needed+1<<20 {
		t.Errorf("the memory is %+v", got)
	}
	if got, want := text(m), text(mapped); got != want || want == "" {
		t.Errorf("it writes %q, mapped %q", got, want)
	}
	// What is allowed counts here, too.
	const mebibyte = 1 << 20
	opts := engine.Options{Other: 10 * mebibyte}
	if got := chooseMemory(r, &opts, 30*mebibyte, "a test"); got.Budget != 28*mebibyte || got.Unmapped {
		t.Errorf("with 30 MiB the memory is %+v", got)
	}
}

// Programs that take a little more or less name the same smallest budget, in which the next one works; another that takes much more needs more.
func TestSmallestMemory(t *testing.T) {
	r, err := format.Open(tinyModel(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tokenizer := TokenizerMemory(r)
	of := func(program int64) int64 {
		n, _ := engine.SmallestMemory(r, engine.Options{Other: program + tokenizer})
		return engine.Enough(n)
	}
	smallest, large := of(leastProgram), leastProgram+int64(100<<20)
	for _, tt := range []struct{ program, memory, needs int64 }{
		{10 << 20, 1 << 20, smallest}, {20 << 20, smallest - 1<<20, smallest}, {20 << 20, smallest, 0}, {leastProgram, smallest, 0}, {large, smallest, of(large)},
	} {
		err := Memory{}.check(r, engine.Options{Memory: tt.memory, Other: tt.program + tokenizer}, 0)
		_, after, _ := strings.Cut(fmt.Sprint(err), "this model needs ")
		needs := int64(0)
		fmt.Sscanf(after, "%dMiB", &needs)
		if errors.Is(err, ErrMemory) != (tt.needs > 0) || needs<<20 != tt.needs {
			t.Errorf("a program of %d bytes in %d: %v, want one that says %d", tt.program, tt.memory, err, tt.needs)
		}
	}
}
