//go:build !noasm

package kernel

import "github.com/klauspost/cpuid/v2"

// weightsAhead is how many bytes ahead the products of two groups prefetch their streams of weights, to the L2 cache. It is read by assembly.
var weightsAhead = aheadFor(cpuid.CPU.VendorID)

// aheadFor returns weightsAhead for a maker's processors. The prefetchers of Intel's begin anew in every page of 4 KB; a page ahead, products of
// Q4_0 come at 28.2 GB/s to two threads of a Xeon (16 processors, 300 MB of L3 cache), 2 KB ahead at 27.0, and 1 KB ahead at 23.2; to four at 50.9, 50.7
// and 44.1. On a Zen 4, 256 bytes to 1.5 KB are alike, and 2 KB, 4 KB and the L1 cache a sixth slower: 87 instead of 103 tokens/s of the 4B shape with two
// threads, 52 instead of 66 with one.
func aheadFor(maker cpuid.Vendor) int {
	if maker == cpuid.Intel {
		return 4096
	}
	return 1024
}
