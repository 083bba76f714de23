package selfcal

import (
	"context"
	"errors"
	"flag"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"st/convert/calibration"
	"st/format"
	"st/runtime"
	"st/runtime/calibrate"
	"st/runtime/process"
)

var draftFile = flag.String("draft", "", "a model `file` of q4_0: what the stages that run it take is measured")

// TestMemory runs a part of the stages that run a draft, and compares what the process takes with its bound. docs/quantization.md has the
// figures of
//
//	go test -v -run TestMemory ./runtime/selfcal -draft 4b.stm
func TestMemory(t *testing.T) {
	if *draftFile == "" {
		t.Skip("needs -draft: a model that is larger than its budget")
	}
	opts := Options{Memory: DefaultMemory}
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(0) + runtime.ReadThreads))
	stage := func(name string, choose func(r *format.Reader) budget, do func(m *runtime.Model, b budget) (tokens int64)) {
		m, b, err := opts.open(t.Context(), *draftFile, maxWindow, choose)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		begin := time.Now()
		n := do(m, b)
		peak := process.PeakRSS()
		t.Logf("%s: %d at a time, %d tokens, %.1f tokens/s, at most %d MiB", name, b.parallel, n, float64(n)/time.Since(begin).Seconds(), peak>>20)
		if peak > b.total {
			t.Errorf("%s: it took %d bytes of %d", name, peak, b.total)
		}
	}
	var parts []calibration.Part
	stage("text", func(r *format.Reader) budget {
		parts = opts.parts(r, maxWindow)
		return opts.textBudget(r, maxWindow)
	}, func(m *runtime.Model, b budget) int64 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w, err := newWriter(ctx, m, &Key{Window: maxWindow})
		if err != nil {
			t.Fatal(err)
		}
		var tokens atomic.Int64
		_, err = w.write(ctx, DefaultTokens, b.parallel, func(done, _ int64) { tokens.Store(done) })
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Fatal(err)
		}
		return tokens.Load()
	})
	t.Logf("%d parts", len(parts))
	for i := range parts[:min(2, len(parts))] {
		stage("calibrate", func(r *format.Reader) budget { return opts.partBudget(r, maxWindow, parts[i]) }, func(m *runtime.Model, b budget) int64 {
			text := make([]int32, maxWindow)
			for j := range text {
				text[j] = int32(j*37) % 1000
			}
			if _, err := calibrate.Run(t.Context(), m, text, calibrate.Options{Window: maxWindow, Part: &parts[i]}); err != nil {
				t.Fatal(err)
			}
			return maxWindow
		})
	}
}
