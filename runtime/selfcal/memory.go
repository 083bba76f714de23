package selfcal

import (
	"context"
	"runtime/debug"

	"st/convert/calibration"
	"st/format"
	"st/runtime"
	"st/runtime/engine"
)

// DefaultMemory bounds what the process takes, as it does in other conversions.
const DefaultMemory = 512 << 20

// maxParallel is how many sequences are written at a time, at most. An expert that is read from disk serves all of those that chose it.
const maxParallel = 16

// budget says in how much memory a model is run, and how.
type budget struct {
	total    int64 // of the process. More than was asked for, if the model needs that
	other    int64 // of it, what is taken besides the model
	parallel int
}

// smallest returns the least that a model needs for so many sequences at a time.
func (o *Options) smallest(r *format.Reader, window, parallel int, other int64) int64 {
	opts := engine.Options{Threads: o.RunThreads, Context: window, Parallel: parallel, Other: other + runtime.ProgramMemory() + runtime.TokenizerMemory(r)}
	n, _ := engine.SmallestMemory(r, opts)
	b, _ := engine.NewBudget(r, opts) // without a total it tells the parts, and that it is too small
	return n + int64(parallel-1)*b.KV + 8<<20
}

// textBudget is that of writing, with as many sequences at a time as there is room for.
func (o *Options) textBudget(r *format.Reader, window int) (b budget) {
	for b.parallel = maxParallel; ; b.parallel /= 2 {
		b.other = int64(b.parallel) * samplerBytes * int64(r.Config.Vocab)
		b.total = o.smallest(r, window, b.parallel, b.other)
		if b.total <= o.Memory || b.parallel == 1 {
			b.total = max(b.total, o.Memory)
			return b
		}
	}
}

// samplerBytes is what drawing a token takes for each token of the vocabulary: candidates, twice, and garbage.
const samplerBytes = 48

// parts divides the collection so that each part fits beside the model. A quarter of the memory is given in any case: the text is run once
// for each part.
func (o *Options) parts(r *format.Reader, window int) []calibration.Part {
	return calibration.Parts(&r.Config, max(9*(o.Memory-o.smallest(r, window, 1, 0))/10, o.Memory/4))
}

// partBudget is that of collecting a part.
func (o *Options) partBudget(r *format.Reader, window int, p calibration.Part) budget {
	b := budget{other: p.Bytes(&r.Config), parallel: 1}
	b.total = max(o.Memory, o.smallest(r, window, 1, b.other))
	return b
}

// open opens the draft for running. What the last stage took is given back first.
func (o *Options) open(ctx context.Context, path string, window int, choose func(r *format.Reader) budget) (*runtime.Model, budget, error) {
	debug.FreeOSMemory()
	r, err := format.Open(path)
	if err != nil {
		return nil, budget{}, err
	}
	b := choose(r)
	if o.Exceeded != nil && b.total > o.Memory {
		o.Exceeded(b.total)
	}
	m, err := runtime.New(ctx, r, runtime.Options{Memory: b.total, Other: b.other, Context: window, Parallel: b.parallel, Threads: o.RunThreads})
	return m, b, err
}
