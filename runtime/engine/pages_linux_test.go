package engine_test

import (
	"slices"
	"testing"

	"st/quant"
	"st/runtime/engine"
)

// The logits are the same after the file was read again, and after copies took the place of its mapping, also while both happen.
func TestPagesAreMended(t *testing.T) {
	e := openCheckpoint(t, tiny, quant.F32, engine.Options{Threads: 2})
	s := session(t, e)
	logits := func() []float32 {
		t.Helper()
		s.Truncate(0)
		l, err := s.Forward(t.Context(), prompt(40, 50))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(l)
	}
	want := logits()
	mended := make(chan int64)
	go func() { mended <- e.MendPages(t.Context()) }()
	for copied := int64(-1); copied < 0; {
		select {
		case copied = <-mended:
			if size := e.Stats().ModelBytes; copied < size/2 || copied > size {
				t.Errorf("%d bytes were copied of a file of %d", copied, size)
			}
		default:
		}
		if !slices.Equal(logits(), want) {
			t.Fatal("other logits while the pages are mended")
		}
	}
}

// Memory that is not plentiful is left alone: beside what is taken, half of what is allowed stays.
func TestPagesAreCopiedIfMemoryIsPlentiful(t *testing.T) {
	e := openCheckpoint(t, tiny, quant.Q4_0, engine.Options{Threads: 2})
	allowed, _ := engine.AllowedMemory()
	if e.Plentiful(allowed / 2) {
		t.Error("half of the memory is taken, and copies are made")
	}
	if !e.Plentiful(0) {
		t.Errorf("nothing is taken of %d bytes, and no copies are made", allowed)
	}
}
