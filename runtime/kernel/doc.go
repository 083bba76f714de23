// Package kernel holds the inner loops of the runtime: products of quantized matrices with vectors, and the sparse ReGLU
// feed-forward of one expert. It knows matrices as bytes ([Matrix]) and activations as float32 ([Input]); it knows no
// files, no models and no threads. Callers split the work by handing each thread a range of units.
//
// Weights are multiplied as they lie in the file. Q8_0 and Q4_0 weights are multiplied with activations that are quantized
// to int8 in blocks of 32, once per vector, with exact integer sums inside a block; F32, F16 and BF16 weights with the
// float32 activations.
//
// A kernel NAME is up to four kinds of files. NAME_generic.go, or NAME.go where there is none, has the definition in plain Go that the others are held
// against. NAME_amd64.s and NAME_arm64.s are the fast ones; NAME_amd64.go and NAME_arm64.go declare them and choose by the CPU, or by [Select]. Where
// there are none for a processor, NAME_other.go or kernels_other.go calls the definition. The names are
//
//	group       dense products of sixteen rows. groupx2: two groups; pair: two vectors; groupx4, groupx8: four and eight; packed: many
//	row         products with one row. dotx4: with four vectors; axpy: sums of rows; scattered: with rows that lie apart
//	neurons     the active neurons of one token; list: which they are
//	batch       those of many tokens (with reglu_batch.go). lanes: products of up rows with their vectors; words: sums of down rows on amd64
//	silu        SwiGLU and GeGLU (with dense.go)
//	attend      attention. attendf16: of one token, to keys and values as they lie in the cache; attendrows: of sixteen queries at once
//	vector      sums and products of float32. floats: products of some rows with many vectors; half: rows of F16 and BF16 numbers as they lie
//	norm        RMSNorm. peaks: the largest numbers of runs; quantize: rounding to int8 blocks
//
// packed.go, eight.go and lanes.go define how vectors are laid out for the kernels that take many of them. read.go is what the speed of the others is
// compared with.
//
// A vector's result has the same bits whatever other vectors are beside it, in [MulEach] and in [Dense.Hidden], and in [Mul] where
// kernels are [Alike]. Where they are not, the last vector of a batch may be rounded otherwise in Mul and in
// [Expert.Batch], and so may the last two where these are all, or follow 32 others. Bits differ between instruction sets, as sums are in another order ([SiLUMul]'s do not), and between
// [Expert.Neurons], which is faster for one token, and Batch.
package kernel
