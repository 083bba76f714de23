package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"st/runtime/experts"
)

// MeasureStreaming measures a model of which only a part of the experts fits in memory. For about a second it generates tokens that choose other experts
// each time: bandwidth is what the disk gives then, in bytes a second while anything is being read, beside computing and with as many reads in flight as
// there are. It is 0 if nothing was read. For another second it generates one token over and over, so that its experts are in memory: what is computed for
// one, in the median, without waiting for the disk. No session may be in use. What is measured is in no statistics, and no observer is shown it.
func (e *Engine) MeasureStreaming(ctx context.Context) (c experts.Computing, bandwidth float64, err error) {
	if e.config.MoE == nil {
		return c, 0, fmt.Errorf("%s: %w", e.reader.Path(), ErrNoExperts)
	}
	s, done, err := e.measure()
	if err != nil {
		return c, 0, err
	}
	defer done()
	const least = 3 // tokens
	// run generates tokens, each of which is counted alone.
	run := func(step int, each func(i int)) error {
		for i, begin := 0, time.Now(); i < least || time.Since(begin) < measureTime; i++ {
			if s.Len() == e.context {
				s.Truncate(0)
			}
			e.forgetStats()
			if _, err := s.Forward(ctx, []int32{int32(i * step % e.config.Vocab)}); err != nil {
				return err
			}
			each(i)
		}
		return nil
	}
	var bytes int64
	var busy time.Duration
	if err := run(7919, func(int) { // tokens far apart choose different experts
		d, _ := e.stats.disk.read()
		busy, bytes = busy+d, bytes+e.stats.readBytes.Load()
	}); err != nil {
		return c, 0, err
	}
	layers := len(e.config.MoELayers())
	parts := []struct {
		stages []Stage
		share  int // of what is measured
		to     *time.Duration
		times  []time.Duration
	}{
		{[]Stage{StageRouter}, layers, &c.Router, nil},
		{[]Stage{StageQKV, StageKV, StageAttention, StageOutput, StageNorm}, layers, &c.Attention, nil},
		{[]Stage{StageExperts, StageSum}, layers * e.config.MoE.ExpertsPerToken, &c.Expert, nil},
		{[]Stage{StageEmbed, StageHead}, 1, &c.Head, nil},
	}
	if err := run(0, func(i int) {
		for j := range parts {
			p := &parts[j]
			var spent time.Duration
			for _, stage := range p.stages {
				if spent += e.StageTime(stage); stage == StageExperts {
					spent -= time.Duration(e.stats.wait.Load())
				}
			}
			if i >= least-1 { // the first ones read what is not in memory
				p.times = append(p.times, max(0, spent))
			}
		}
	}); err != nil {
		return c, 0, err
	}
	for _, p := range parts {
		slices.Sort(p.times)
		*p.to = p.times[len(p.times)/2] / time.Duration(p.share)
	}
	if busy > 0 {
		bandwidth = float64(bytes) / busy.Seconds()
	}
	return c, bandwidth, nil
}
