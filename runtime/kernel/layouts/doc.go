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
//
// Of an expert only the active neurons' rows of up and columns of down are
// read, the latter stored as rows:
//
//	S1 gguf    up and down as two matrices in gguf blocks
//	S2 rows    up and down as two matrices in rows
//	S3 neuron  per neuron one run of up and down, 64-byte aligned
//
// Each candidate has an AVX2 kernel and a plain Go twin; the tests hold both
// to the same results. The kernels take columns in multiples of 256, which
// the benchmarked models' dimensions are. To measure, on one core:
//
//	go test -run '^$' -bench . -count 5 ./runtime/kernel/layouts
//
// DRAM is a working set of 256 MB, far above any cache; L2 one of some
// 200 kB. GB/s counts the weights that the product needs. The suffix says how
// far ahead the kernel prefetches. On a shared machine compare medians, and
// repeat the command instead of raising -count, so that a neighbour's burst
// does not hit one candidate alone.
//
// # Other instruction sets
//
// AVX-512 VNNI: a line of a tile (D3, D4) is one 64-byte register whose lanes
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
