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
	if bandwidth, err = e.measureReads(ctx, s); err != nil {
		return c, 0, err
	}
	c, err = e.measureComputing(ctx, s)
	return c, bandwidth, err
}

// leastMeasured is the least number of tokens that are measured.
const leastMeasured = 3

// measureTokens generates tokens for measureTime, each step higher than the one before, and calls each after each of them. What is counted then is of this
// token alone.
func (e *Engine) measureTokens(ctx context.Context, s *Session, step int, each func(i int)) error {
	for i, begin := 0, time.Now(); i < leastMeasured || time.Since(begin) < measureTime; i++ {
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

// measureReads returns what the disk gives, in bytes a second, while tokens are generated that choose other experts each time; 0 if nothing was read.
func (e *Engine) measureReads(ctx context.Context, s *Session) (bandwidth float64, err error) {
	var bytes int64
	var busy time.Duration
	err = e.measureTokens(ctx, s, tokenStep, func(int) {
		d, _ := e.stats.disk.read()
		busy, bytes = busy+d, bytes+e.stats.readBytes.Load()
	})
	if err != nil || busy == 0 {
		return 0, err
	}
	return float64(bytes) / busy.Seconds(), nil
}

// measureComputing returns the median times that parts of a token are computed for, while its experts are in memory.
func (e *Engine) measureComputing(ctx context.Context, s *Session) (c experts.Computing, err error) {
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
	err = e.measureTokens(ctx, s, 0, func(i int) {
		if i < leastMeasured-1 { // the first ones read what is not in memory
			return
		}
		for j := range parts {
			p := &parts[j]
			var spent time.Duration
			for _, stage := range p.stages {
				if spent += e.StageTime(stage); stage == StageExperts {
					spent -= time.Duration(e.stats.wait.Load())
				}
			}
			p.times = append(p.times, max(0, spent))
		}
	})
	if err != nil {
		return experts.Computing{}, err
	}
	for _, p := range parts {
		slices.Sort(p.times)
		*p.to = p.times[len(p.times)/2] / time.Duration(p.share)
	}
	return c, nil
}
