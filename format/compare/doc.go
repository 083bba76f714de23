// Package compare tells how the weights of two .stm files differ: which tensors are in one of them only, differ in shape, type or
// layout, and by how much in value.
//
//	tensors, err := compare.Weights(ctx, a, b, compare.Options{})
//
// Weights are decoded and compared as numbers, so files of different types can be compared, such as a Q4_0 file with the BF16 one that
// it was made from. Records that are the same byte for byte, by their checksums, are not read. A tensor that is transposed in the one
// file and not in the other is compared by its shape and type only; st never writes such a pair. The head of a
// file whose embeddings are tied is compared with the other's, be it stored apart or not.
package compare
