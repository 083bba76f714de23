//go:build !amd64 || noasm

package kernel

// AttendsF16 reports whether [ScoresF16] and [AddWeightedF16] are faster for that many queries of d numbers than widening keys and values before.
func AttendsF16(rows, d int) bool { return false }

func scoresF16(dst, q []float32, k []byte, n int, _ []byte) { scoresF16Generic(dst, q, k, n) }

func addWeightedF16(out, p []float32, v []byte, n int, _ []byte) { addWeightedF16Generic(out, p, v, n) }
