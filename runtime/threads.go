package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"

	"st/format"
	"st/runtime/engine"
	"st/runtime/kernel"
	"st/runtime/process"
	"st/runtime/remembered"
)

// AutoThreads as Options.Threads has Open measure for about a second which number of threads generates fastest, and remember it in
// Options.ThreadCache.
const AutoThreads = -1

// maxMeasured is how many numbers of threads, and how many disks, are remembered in a directory, in some hundred bytes each. Every version of a model
// file has its own.
const maxMeasured = 256

// threadChoice is how AutoThreads is found.
type threadChoice struct {
	numbers []int
	cache   remembered.Cache[int]
	measure bool
}

// chooseThreads replaces AutoThreads by the number that is remembered, or by the largest that is to be measured. A nil choice: nothing was to choose.
func chooseThreads(r *format.Reader, opts *Options) *threadChoice {
	if opts.Threads != AutoThreads {
		return nil
	}
	c := &threadChoice{numbers: engine.ThreadCandidates()}
	c.cache = remembered.Cache[int]{Dir: opts.ThreadCache, Key: threadKey(r, opts, c.numbers), Patience: patience}
	if n, ok := c.cache.Load(); ok && slices.Contains(c.numbers, n) {
		opts.Threads = n
	} else {
		opts.Threads = slices.Max(c.numbers)
		c.measure = len(c.numbers) > 1
	}
	return c
}

// threadKey says all that the fastest number depends on.
func threadKey(r *format.Reader, opts *Options, numbers []int) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("host=%q cpu=%q %s/%s isa=%s %s candidates=%v model=%x kv=%s memory=%d parallel=%d", host, process.CPU(), goruntime.GOOS, goruntime.GOARCH,
		kernel.ISA(), engine.Processors(), numbers, r.Fingerprint(), opts.KVType, opts.Memory, opts.Parallel)
}

// run measures, if nothing is remembered. Where there is no memory to measure with, the default stays. What cannot be remembered is measured again.
func (c *threadChoice) run(ctx context.Context, m *Model) error {
	if c == nil || !c.measure {
		return nil
	}
	n, _, err := m.engine.MeasureThreads(ctx, c.numbers)
	if errors.Is(err, ErrMemory) {
		return nil
	}
	if err != nil {
		return m.named(err)
	}
	_ = c.cache.Keep(maxMeasured, n)
	return nil
}
