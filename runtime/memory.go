package runtime

import (
	"context"
	"errors"
	"fmt"

	"st/format"
	"st/runtime/engine"
	"st/runtime/process"
)

// Memory tells how the memory of a model was chosen. All sizes are in bytes.
type Memory struct {
	// Budget bounds what the process takes. 0: there is no bound, the file is mapped.
	Budget int64
	// Chosen says that Open chose the budget, because the model needs more than is allowed or, if Unmapped is true, because the file
	// system does not map files, so that they are read.
	Chosen, Unmapped bool
	// Needed is about what the process takes without a bound.
	Needed int64
	// Allowed is what the process can have without pushing others out, and Source who says so: "the system" or "its control group". 0:
	// that is not known.
	Allowed int64
	Source  string
}

// Exceeds reports whether a budget that was asked for, as far as the model can use it, is more than is allowed.
func (m Memory) Exceeds() bool {
	return m.Budget > 0 && m.Allowed > 0 && min(m.Needed, m.Budget) > m.Allowed
}

// checkAddresses refuses a budget above the limit of the process's address space, whether the caller or chooseMemory set it: it could not be taken.
func (m Memory) checkAddresses(path string) error {
	if m.Source != engine.AddressSpace || !m.Exceeds() {
		return nil
	}
	if m.Chosen {
		return fmt.Errorf("%s: the limit of the process's address space leaves no memory for the model: raise it with %s", path, m.Source)
	}
	return as(ErrOption, fmt.Errorf("%s: a memory budget of %d MiB is more than the limit of the process's address space leaves, %d MiB: raise it with %s, or take less",
		path, m.Budget>>20, m.Allowed>>20, m.Source))
}

// check refuses a budget that could not be taken, and one below [engine.SmallestMemory] for a program that takes leastProgram. other is what it takes besides.
func (m Memory) check(r *format.Reader, o engine.Options, other int64) error {
	if err := m.checkAddresses(r.Path()); err != nil {
		return err
	}
	o.Other = max(o.Other, leastOther(r, other))
	if _, err := engine.NewBudget(r, o); err != nil {
		return m.explain(fmt.Errorf("%s: %w", r.Path(), err))
	}
	return nil
}

// explain says of a bound that is too small, and that nobody asked for, where it comes from.
func (m Memory) explain(err error) error {
	if !m.Chosen || !errors.Is(err, ErrMemory) {
		return err
	}
	return fmt.Errorf("%w; the budget was chosen, as %s allows %d MiB", err, m.Source, m.Allowed>>20)
}

// chooseMemory bounds the memory of a model that does not fit in what is allowed, or whose file cannot be mapped: within a bound, it is
// read. A bound that was asked for stays.
func chooseMemory(r *format.Reader, opts *engine.Options, allowed int64, source string) Memory {
	m := Memory{Budget: opts.Memory, Needed: engine.Needed(r, *opts), Allowed: allowed, Source: source}
	if opts.Memory > 0 {
		return m
	}
	const mebibyte = 1 << 20
	fits := allowed == 0 || m.Needed <= allowed
	if fits {
		_, err := r.Map()
		m.Unmapped = errors.Is(err, format.ErrCannotMap)
	}
	switch {
	case !fits:
		// Some is left to others, and it is in whole MiB: people type it.
		m.Budget = max(1, allowed/20*19/mebibyte) * mebibyte
	case m.Unmapped:
		m.Budget = m.Needed // all of it
	}
	m.Chosen, opts.Memory = m.Budget > 0, m.Budget
	return m
}

// SetShare makes bytes what the model may take, in place of Options.Memory: between what it needs at least and Options.Memory. A program that runs several
// models moves memory between them with it. Experts give memory back, and what sequences do not hold is no longer theirs to grow into. It returns what the
// model may take then, which is more if sequences hold more, and when the memory is given back. 0: the model has no bound.
func (m *Model) SetShare(ctx context.Context, bytes int64) (int64, error) {
	if m.breath == nil {
		n, err := m.engine.SetShare(ctx, bytes)
		return n, m.named(err)
	}
	n, err := m.breath.setShare(ctx, bytes)
	return n, m.named(err)
}

// LimitMemory makes the model take less than Options.Memory or [Model.SetShare] say, or as much again, as [engine.Engine.LimitMemory] has it. A program that
// looks itself after what other programs need (Options.Steady) moves memory with it.
func (m *Model) LimitMemory(ctx context.Context, bytes int64) (bound int64, obeyed bool) {
	return m.engine.LimitMemory(ctx, bytes)
}

// FormatBytes writes a size of memory as people do, exactly if it is whole in a unit: 1GiB, 1500MB. Another is rounded up to whole MiB, or told in bytes.
func FormatBytes(n int64) string { return engine.FormatBytes(n) }

// TextMemory returns the most memory that running a text of so many bytes takes besides the text itself: its tokens, of a byte each at
// worst and of four bytes in memory, twice while the list of them grows and once more where it is cut up. It is a part of Options.Other.
func TextMemory(bytes int) int64 { return 16 * int64(bytes) }

// leastProgram is what a program that runs a model is taken to need for itself, at least. What it takes differs from start to start by one or two MiB, and is
// less before it runs the model: with one figure for all, everybody names the same smallest budget, and it works the next time, too.
const leastProgram = 24 << 20

// ProgramMemory returns what a program that runs models takes of a budget for itself, besides the models and their tokenizers, none of which is there yet.
func ProgramMemory() int64 { return max(leastProgram, process.Resident()) }

// leastOther returns what a process takes besides the engine, at least. other is what it takes besides the program and the tokenizer.
func leastOther(r *format.Reader, other int64) int64 {
	return other + leastProgram + TokenizerMemory(r)
}

// otherMemory returns what the process takes besides the engine: what it takes now, and what it is going to. tokenizer is about what the model's takes, if
// that is not there yet.
func otherMemory(o *Options, r *format.Reader, tokenizer bool) int64 {
	n := o.Other
	if n += o.Program; o.Program == 0 {
		n += process.Resident()
	}
	if o.Program > 0 || !tokenizer {
		n += TokenizerMemory(r)
	}
	return n
}
