package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"st/quant"
	"st/runtime/engine"
)

// Measuring ends with one of the numbers, changes no bits and counts nothing.
func TestMeasureThreads(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	for _, memory := range []int64{0, 64 << 20} {
		traced := 0
		e := openReader(t, reader(t, path), engine.Options{Threads: 3, Memory: memory, Trace: func(int, []int32) error { traced++; return nil }})
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
