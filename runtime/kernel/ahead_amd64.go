//go:build !noasm

package kernel

import "github.com/klauspost/cpuid/v2"

// weightsAhead is how many bytes ahead the products of two groups with AVX-512 and AVX-VNNI prefetch their streams of weights, to the L2 cache, the
// products of rows of F16 and BF16 numbers theirs, and plain reading what it reads.
var weightsAhead = aheadFor(cpuid.CPU.VendorID)

// aheadFor returns weightsAhead for a maker's processors. The prefetchers of Intel's begin anew in every page of 4 KB: a page ahead, a Xeon generates 5 %
// more tokens than 1 KB ahead (docs/experiments/speed.md). On a Zen 4, 256 bytes to 1.5 KB are alike, and 2 KB, 4 KB and the L1 cache a sixth slower: 87 instead of
// 103 tokens/s of the 4B shape with two threads, 52 instead of 66 with one.
func aheadFor(maker cpuid.Vendor) int {
	if maker == cpuid.Intel {
		return 4096
	}
	return 1024
}
