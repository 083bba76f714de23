// Package kernel holds the inner loops of the runtime: products of quantized matrices with vectors, and the sparse ReGLU
// feed-forward of one expert. It knows matrices as bytes ([Matrix]) and activations as float32 ([Input]); it knows no
// files, no models and no threads. Callers split the work by handing each thread a range of units.
//
// Weights are multiplied as they lie in the file. Q8_0 and Q4_0 weights are multiplied with activations that are quantized
// to int8 in blocks of 32, once per vector, with exact integer sums inside a block; F32, F16 and BF16 weights with the
// float32 activations.
//
// A kernel is up to four files, by the name of what it works on: group_generic.go, or group.go itself, has the definition that everything is held
// against, group_amd64.s and group_arm64.s are the fast ones, group_amd64.go declares them and chooses by the CPU, or by [Select]. What has none of
// these for a processor runs as it is defined. group is dense products of sixteen rows (groupx2: two groups, pair: two vectors, groupx4 and groupx8:
// four and eight, packed: many), row products with one row (dots: with many vectors), neurons the active neurons of one token, batch (and
// reglu_batch.go) those of many (wide: with AVX-512, a chunk of neurons a call), silu (and dense.go) SwiGLU, attend attention (attendf16: of one token,
// to keys and values as they lie in the cache; attendrows: of sixteen queries at once), vector, norm and peaks float32. packed.go, eight.go and wide.go
// define how vectors are laid out for the kernels that take many of them.
//
// A vector's result has the same bits whatever other vectors are beside it, in [MulEach] and in [Dense.Hidden], and in [Mul] where
// kernels are [Alike]. Where they are not, the one or two last vectors of a batch may be rounded otherwise in Mul and in
// [Expert.Batch]. Bits differ between instruction sets, as sums are in another order ([SiLUMul]'s do not), and between
// [Expert.Neurons], which is faster for one token, and Batch.
package kernel
