// Package layouts holds the measurements behind the order of the Q4_0 weights
// in the model file. It is not linked into st.
//
// Weights are used as they lie in the file, by every processor, so one order
// has to serve AVX2, AVX-512, NEON and plain Go. The candidates have the same
// blocks (32 weights, a float16 scale, 16 bytes of nibbles) and differ in
// where they put the parts.
//
// Dense matrices are read whole:
//
//	D1 gguf            row by row, each block's scale before its nibbles
//	D2 rows            per row all nibbles, then all scales
//	D3 tiles16         16 rows interleaved by 4 bytes, then their scales
//	D4 tiles16 inline  the same, each tile after its 16 scales
//	D5 tiles16 pairs   the same, each two tiles after their 32 scales
//
// Of an expert only the active neurons' rows of up and columns of down are
// read, the latter stored as rows:
//
//	S1 gguf    up and down as two matrices in gguf blocks
//	S2 rows    up and down as two matrices in rows
//	S3 neuron  per neuron one run of up and down, 64-byte aligned
//
// Each candidate has an AVX2 kernel and a plain Go twin; the tests hold both
// to the same results. The kernels for blocks in rows (D1, D2, S1 to S3) take
// columns in multiples of 256, which the benchmarked models' dimensions are;
// those for tiles in multiples of 32.
//
// # The choice
//
// The file has D5 for dense matrices and an expert's gate matrix, whose rows
// are all multiplied, and S3 for up and down.
//
// Tiles need no sums across lanes, which makes them 1.4 times as fast as rows
// (D2) where memory is not the limit (L2), and 1.3 times in prefill. D3 loses
// that in DRAM, where it reads two streams, the tiles and the scales behind
// them; D4 and D5 read one, and D5 is 1.2 times as fast as D3. D5 rather than
// D4 is a matter of alignment more than of speed: a pair is 576 bytes, 9 whole
// cache lines, so a 64-byte load of AVX-512 never crosses lines, and every
// line is prefetched once; in D4 every second tile lies across lines. In the
// numbers here D5 is ahead of D4 by 2 to 5 % in DRAM, in 26 of 36 comparisons,
// by 3 % in L2, and equal in prefill. Part of that may be the kernel's: D5's takes
// two blocks in an iteration. (A last block without a partner lies across
// lines in D5 too.)
//
// S3 skips an inactive neuron as one gap of whole cache lines where S1 and S2
// jump twice and share lines between neighbours. In DRAM it is 1.2 to 1.4
// times as fast as either, with prefetch and without.
//
// # The numbers
//
// Medians of 12 runs on an AMD EPYC (family 25 model 1, Zen 3), a virtual
// machine with 2 cores that other processes were using, Go 1.26.8, AVX2
// kernels on one core, from docs/experiments. All candidates are measured in each run, so that a
// neighbour's burst does not hit one alone:
//
//	for i in $(seq 12); do go test -run '^$' -bench . -benchtime 200ms ./layouts; done
//
// The same benchmarks, with each benchmark's repetitions one after the other:
//
//	go test -run '^$' -bench . -count 5 ./layouts
//
// Dense, 1536 columns: GB/s of weights, prefill with 8 vectors in 10⁹
// multiplications and additions per second:
//
//	                   DRAM                         L2    prefill
//	                   plain prefetch2K prefetch4K
//	D1 gguf            10.2        12.5       12.7  16.4        –
//	D2 rows             9.4        13.4       12.8  20.8     59.2
//	D3 tiles16         10.4        13.4       12.8  30.1     73.7
//	D4 tiles16 inline  12.3        15.8       14.6  30.4     72.7
//	D5 tiles16 pairs   12.8        16.5       16.0  30.9     72.2
//
// Sparse, 768 neurons of 1536 columns, 35 % active: GB/s of active weights,
// and in brackets µs for an expert:
//
//	           DRAM                                    L2
//	           plain         prefetch1    prefetch3
//	S1 gguf    3.25 (143.0)  5.39 (86.4)  5.51 (84.4)  8.13 (57.2)
//	S2 rows    2.82 (165.2)  5.52 (84.4)  5.36 (86.7)  8.87 (52.4)
//	S3 neuron  3.95 (117.6)  6.99 (66.4)  6.78 (68.5)  9.62 (48.3)
//
// DRAM is a working set of 256 MiB, far above any cache of this machine; L2 is
// one of some 220 kB. The columns say how far ahead the kernel prefetches, in
// bytes or in active neurons. Each figure of a run is of its median iteration,
// so that time in which another process has the core does not count. The
// absolute figures depend on the neighbours; the ratios above are medians of
// the ratios within each run.
//
// # Other instruction sets
//
// AVX-512 VNNI: a line of a tile (D3 to D5) is one 64-byte register whose lanes
// are 16 rows, so VPDPBUSD takes it as it is against a broadcast activation,
// and the 16 scales widen into one register of the same lanes. Rows (D2) also
// load whole registers, four blocks each, but leave four partial sums per
// block to be brought together before the scales apply. The 18-byte blocks of
// D1 first have to be gathered into registers.
//
// NEON: SDOT by element multiplies four rows' 4-byte groups by one 4-byte
// group of a register of activations, so a tile needs no broadcasts and no
// sums across lanes; its 64-byte line is four registers. In D1 and D2 a block
// is one register and its four partial sums are added up by pairs. Nibbles
// less 8 fit SDOT's signed bytes, so on NEON the offset may be taken from the
// weights instead of the sums. For neurons (S3) both instruction sets work as
// on rows.
package layouts
