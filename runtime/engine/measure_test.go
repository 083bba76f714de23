package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
	"st/runtime/experts"
)

// Measuring ends with one of the numbers, changes no bits and counts nothing.
func TestMeasureThreads(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	for _, memory := range []int64{0, 64 << 20} {
		traced := 0
		e := openReader(t, reader(t, path), engine.Options{Threads: 3, Memory: memory, Trace: func(experts.Batch) error { traced++; return nil }})
		numbers := []int{1, 2, 3}
		best, speeds, err := e.MeasureThreads(t.Context(), numbers)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(numbers, best) || e.Threads() != best || len(speeds) != len(numbers) || slices.Min(speeds) <= 0 {
			t.Errorf("%d threads of %v with the speeds %v, and %d are in use", best, numbers, speeds, e.Threads())
		}
		if s := e.Stats(); s.Tokens != 0 || s.ExpertUses != 0 || s.DecodeWeightBytes != 0 || e.Usage().Tokens != 0 || traced != 0 {
			t.Errorf("what was measured is counted: %+v, %d batches traced", s, traced)
		}
		run := func(e *engine.Engine) []float32 {
			s := session(t, e)
			l, err := s.Forward(t.Context(), prompt(100, 50))
			if err != nil {
				t.Fatal(err)
			}
			return slices.Clone(l)
		}
		got := run(e)
		if want := run(openReader(t, e.Reader(), engine.Options{Threads: 1})); !slices.Equal(got, want) {
			t.Error("other logits after threads were measured")
		}
		if traced == 0 {
			t.Error("nothing is traced after threads were measured")
		}
	}
}

func TestMeasureThreadsEndsWithItsContext(t *testing.T) {
	e := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.MeasureThreads(ctx, []int{1, 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

// Measuring streaming tells of the disk and of computing, changes no bits and counts nothing.
func TestMeasureStreaming(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	traced := 0
	e := stream(t, r, engine.Options{Threads: 2, Trace: func(experts.Batch) error { traced++; return nil }}, 0)
	want := forward(t, session(t, openReader(t, r, engine.Options{Threads: 2})), 3, 1, 4)
	c, bandwidth, err := e.MeasureStreaming(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Router <= 0 || c.Attention <= 0 || c.Expert <= 0 || c.Head <= 0 || bandwidth <= 0 {
		t.Errorf("%+v, %g bytes/s", c, bandwidth)
	}
	if s := e.Stats(); s.Tokens != 0 || s.ExpertUses != 0 || e.Usage().Tokens != 0 || traced != 0 {
		t.Errorf("what was measured is counted: %+v, %d batches traced", s, traced)
	}
	if got := forward(t, session(t, e), 3, 1, 4); !slices.Equal(got, want) || traced != 1 {
		t.Errorf("after measuring: other logits %t, %d batches traced", !slices.Equal(got, want), traced)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.MeasureStreaming(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

// A run within a budget traces what it foresees of each layer but the first, and of tokens that come one at a time.
func TestTraceForesight(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	var b experts.Batch
	e := stream(t, r, engine.Options{Threads: 1, Trace: func(x experts.Batch) error {
		b = experts.Batch{N: x.N, Near: slices.Clone(x.Near), Far: slices.Clone(x.Far)}
		return nil
	}}, 0)
	s := session(t, e)
	if forward(t, s, 3, 1, 4); b.N != 3 || b.Far != nil {
		t.Errorf("of a prompt: %+v", b)
	}
	forward(t, s, 1)
	k := e.Config().MoE.ExpertsPerToken
	for l := range len(b.Near) / k {
		for i := range k {
			if near, far := b.Near[l*k+i], b.Far[l*k+i]; (near < 0) != (l < 1) || (far < 0) != (l < 2) {
				t.Errorf("of layer %d experts %d and %d are foreseen", l, near, far)
			}
		}
	}
	if len(b.Near) == 0 {
		t.Error("nothing is foreseen")
	}
}

// What is foreseen of a layer is what its router chooses for nearly half of the experts and more: of guesses that say nothing a third is right at most.
func TestForesightIsRight(t *testing.T) {
	needsUring(t)
	for name, shape := range map[string]modeltest.Shape{"smallthinker": manyExperts(), "no whole block": variants["rows of no whole block"]} {
		right, all := 0, 0
		e := stream(t, reader(t, write(t, shape, quant.Q4_0)), engine.Options{Threads: 1, Trace: func(b experts.Batch) error {
			k := shape.TopK
			for i, x := range b.Near {
				if b.N == 1 && x >= 0 {
					all++
					if l := i / k; slices.Contains(b.Experts[l*k:][:k], x) {
						right++
					}
				}
			}
			return nil
		}}, 0)
		s := session(t, e)
		forward(t, s, 3, 1, 4)
		for _, id := range prompt(30, 50) {
			forward(t, s, id)
		}
		t.Logf("%s: %d of %d are right", name, right, all)
		if 20*right < 9*all || all == 0 {
			t.Errorf("%s: %d of %d are right", name, right, all)
		}
	}
}
