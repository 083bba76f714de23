//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "groupx2_amd64.h"

// HALF, LONGS, HALF8 and FETCH: see groupx2_amd64.h. Two KB ahead, to the L1 cache: see group_amd64.s.
#define FETCH(w, g) PREFETCHT0 (w+2048)(g)

#define HALF(g, w, lo, hi, sum, nlo, nhi, nsum) \
	VMOVDQU    (w)(g), lo;   \
	UNPACK(lo, hi);          \
	VPMADDUBSW Y8, lo, lo;   \
	VPMADDUBSW Y9, hi, hi;   \
	VPADDW     lo, sum, sum; \
	VPADDW     hi, sum, sum

#define LONGS(sum) VPMADDWD Y14, sum, sum

// func groupQ4x2AVX2(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ4x2AVX2(SB), NOSPLIT, $0-64
	PAIR4

#define HALF8(g, w, abs, signed, sum, nabs, nsigned, nsum) \
	VMOVDQU    (w)(g), signed;        \
	VPABSB     signed, abs;           \
	VPSIGNB    signed, Y8, signed;    \
	VPMADDUBSW signed, abs, abs;      \
	VPMADDWD   Y14, abs, abs;         \
	VPADDD     abs, sum, sum

// func groupQ8x2AVX2(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ8x2AVX2(SB), NOSPLIT, $0-64
	PAIR8
