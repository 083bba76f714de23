package report

import (
	"st/format"
	"st/runtime/engine"
)

// Memory tells in how much memory a model runs. Available is 0 if it is not known.
type Memory struct {
	Available     int64    `json:"available_bytes"`
	AvailableFrom string   `json:"available_from"`
	Needed        int64    `json:"needed_bytes"`
	Fits          bool     `json:"fits"`
	Context       int      `json:"context"`
	Budgets       []Budget `json:"budgets"`
}

// Budget is a memory budget that is worth naming: the smallest that works, and those that keep half or all of the experts or, of a dense model,
// of the layers' feed-forward networks. Experts is how many stay while single tokens are generated, at least.
type Budget struct {
	Name    string `json:"name"`
	Memory  int64  `json:"memory_bytes"`
	Context int    `json:"context"`
	Experts int    `json:"experts"`
	Layers  int    `json:"layers,omitempty"`
}

// planContext is the context that budgets are planned for, unless the model's is shorter.
const planContext = 4096

// newMemory plans a process that takes other bytes besides the engine.
func newMemory(r *format.Reader, other int64) *Memory {
	m := &Memory{Context: min(planContext, r.Config.Context)}
	opts := engine.Options{Other: other}
	m.Available, m.AvailableFrom = engine.AllowedMemory()
	m.Needed = engine.Needed(r, opts)
	m.addBudgets(r, opts)
	for _, b := range m.Budgets {
		m.Needed = max(m.Needed, b.Memory)
	}
	m.Fits = m.Available >= m.Needed
	return m
}

func (m *Memory) addBudgets(r *format.Reader, opts engine.Options) {
	c := &r.Config
	add := func(name string, memory int64, context, experts, layers int) {
		m.Budgets = append(m.Budgets, Budget{name, engine.Enough(memory), context, experts, layers})
	}
	all := c.ExpertCount()
	smallest, context := engine.SmallestMemory(r, opts)
	_, few := engine.MemoryFor(r, opts, 0)
	add("smallest", smallest, context, few, 0)
	opts.Context = m.Context
	if all == 0 {
		half, kept, whole := engine.MemoryForLayers(r, opts, c.Layers/2), c.Layers/2, engine.MemoryForLayers(r, opts, c.Layers)
		if half >= whole { // what reading takes is more than the other half
			half, kept = whole, c.Layers
		}
		add("half", half, m.Context, 0, kept)
		add("all", whole, m.Context, 0, c.Layers)
		return
	}
	for _, b := range []struct {
		name string
		n    int
	}{{"half", all / 2}, {"all", all}} {
		memory, kept := engine.MemoryFor(r, opts, b.n)
		add(b.name, memory, m.Context, kept, 0)
	}
}
