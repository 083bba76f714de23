//go:build !noasm

#include "textflag.h"
#include "attendf16_amd64.h"

// func scoresF16x2AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x2AVX2(SB), NOSPLIT, $0-48
	SCORES(ZERO2, QUERIES2, SUMS2)

// func scoresF16x4AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x4AVX2(SB), NOSPLIT, $0-48
	SCORES(ZERO4, QUERIES4, SUMS4)

// func scoresF16x6AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x6AVX2(SB), NOSPLIT, $0-48
	SCORES(ZERO6, QUERIES6, SUMS6)

// func addWeightedF16x2AVX2(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x2AVX2(SB), NOSPLIT, $0-48
	ADD(ROWS2, WEIGHTS2)

// func addWeightedF16x4AVX2(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x4AVX2(SB), NOSPLIT, $0-48
	ADD(ROWS4, WEIGHTS4)

// func addWeightedF16x6AVX2(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x6AVX2(SB), NOSPLIT, $0-48
	ADD(ROWS6, WEIGHTS6)
