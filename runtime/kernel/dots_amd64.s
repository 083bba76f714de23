//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "dots_amd64.h"

// VECTOR: see dots_amd64.h.
#define VECTOR(x, s, acc, t, nt, f, nf) \
	VPMADDUBSW   x, Y0, t;     \
	VPMADDWD     Y6, t, t;     \
	VCVTDQ2PS    t, t;         \
	VBROADCASTSS (s)(SP), f;   \
	VFMADD231PS  f, t, acc

// func dotsQ4x4AVX2(dots *[8]float32, quants, scales []byte, lanes *lane, tokens *[8]int32, blocks int)
TEXT ·dotsQ4x4AVX2(SB), NOSPLIT, $320-80
	DOTS(LANES4, EACH4, VECTORS4, SUMS4)

// func dotsQ4x6AVX2(dots *[8]float32, quants, scales []byte, lanes *lane, tokens *[8]int32, blocks int)
TEXT ·dotsQ4x6AVX2(SB), NOSPLIT, $320-80
	DOTS(LANES6, EACH6, VECTORS6, SUMS6)

// func dotsQ4x8AVX2(dots *[8]float32, quants, scales []byte, lanes *lane, tokens *[8]int32, blocks int)
TEXT ·dotsQ4x8AVX2(SB), NOSPLIT, $320-80
	DOTS(LANES8, EACH8, VECTORS8, SUMS8)
