package runtime

import (
	"cmp"

	"st/format"
	"st/runtime/engine"
	"st/runtime/process"
)

// Memory tells how the memory of a model was chosen. All sizes are in bytes.
type Memory struct {
	// Budget bounds what the process takes. 0: there is no bound, the file is mapped.
	Budget int64
	// Chosen says that Open chose the budget, because the model needs more than is allowed.
	Chosen bool
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

// chooseMemory bounds the memory of a model that does not fit in what is allowed. A bound that was asked for stays.
func chooseMemory(r *format.Reader, opts *engine.Options, allowed int64, source string) Memory {
	m := Memory{Budget: opts.Memory, Needed: engine.NeededMemory(r, *opts), Allowed: allowed, Source: source}
	if opts.Memory == 0 && allowed > 0 && cmp.Compare(m.Needed, allowed) > 0 {
		// Some is left to others, and it is in whole MiB: people type it.
		const mebibyte = 1 << 20
		m.Budget, m.Chosen = max(1, allowed/20*19/mebibyte)*mebibyte, true
		opts.Memory = m.Budget
	}
	return m
}

// otherMemory returns what the process takes besides the engine: what it takes now, and what it is going to.
func otherMemory(o *Options) int64 { return process.Resident() + o.Other }
