package report

import (
	"context"

	"st/format"
	"st/runtime"
	"st/runtime/engine"
	"st/runtime/experts"
)

// disk returns the disk of the options; what they leave open is measured, with as many reads in flight as are known to suit it.
func (m *measurement) disk(ctx context.Context, r *format.Reader, o *Options) (experts.Disk, error) {
	d := o.Disk
	if d.Bandwidth > 0 && d.Latency > 0 && d.Queue > 0 {
		return d, nil
	}
	depth := d.Queue
	if known, ok := runtime.RememberedDisk(r, o.DiskCache); ok && depth == 0 {
		depth = known.Depth
	}
	var best experts.Disk
	turn := 0
	doubt, err := m.repeat("the disk", true, func() (float64, error) {
		x, err := engine.MeasureDisk(ctx, r, depth, turn, func(done, total int64) { m.show("the disk", done, total) })
		if turn == 0 {
			best = x
		}
		best.Bandwidth, best.Latency = max(best.Bandwidth, x.Bandwidth), min(best.Latency, x.Latency)
		turn++
		return x.Bandwidth, err
	})
	if d.Bandwidth == 0 {
		d.Bandwidth = best.Bandwidth
		m.doubt(doubt)
	}
	if d.Latency == 0 {
		d.Latency = best.Latency
	}
	if d.Queue == 0 {
		d.Queue = best.Queue
	}
	return d, err
}

// measureMemory bounds what a model is opened within to be measured, if it works with so little.
const measureMemory = 1 << 30

// streaming runs the model for about two seconds, with no more than half of its experts in memory.
func (m *measurement) streaming(ctx context.Context, r *format.Reader, opts engine.Options, shape experts.Shape) (best experts.Computing, bandwidth float64, err error) {
	budgets := engine.Budgets(r, opts)
	smallest, largest := budgets[0], budgets[len(budgets)-1]
	opts.Memory = max(smallest, min((smallest+largest)/2, measureMemory))
	opts.Context = 0 // what fits: one that was asked for need not
	m.show("the model", 0, 0)
	e, err := engine.Open(ctx, r, opts)
	if err != nil {
		return best, 0, err
	}
	defer e.Close()
	first := true
	doubt, err := m.repeat("the model", false, func() (float64, error) {
		c, b, err := e.MeasureStreaming(ctx)
		if first || c.Token(shape) < best.Token(shape) {
			best, first = c, false
		}
		bandwidth = max(bandwidth, b)
		return 1 / max(1e-9, c.Token(shape).Seconds()), err
	})
	m.doubt(doubt)
	return best, bandwidth, err
}
