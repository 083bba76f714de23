//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "groupx2_amd64.h"
#include "vnni_amd64.h"

// HALF, LONGS, HALF8 and FETCH: see groupx2_amd64.h. One instruction multiplies and adds up to longs. R10 is weightsAhead.
#define FETCH(w, g) PREFETCHT1 (w)(g)(R10*1)

#define HALF(g, w, lo, hi, sum, nlo, nhi, nsum) \
	VMOVDQU (w)(g), lo;    \
	UNPACK(lo, hi);        \
	DPBUSD(8, nlo, nsum);  \
	DPBUSD(9, nhi, nsum)

#define LONGS(sum)

// func groupQ4x2VNNI(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ4x2VNNI(SB), NOSPLIT, $0-64
	MOVQ ·weightsAhead(SB), R10
	PAIR4

#define HALF8(g, w, abs, signed, sum, nabs, nsigned, nsum) \
	VMOVDQU (w)(g), signed;         \
	VPABSB  signed, abs;            \
	VPSIGNB signed, Y8, signed;     \
	DPBUSD(nsigned, nabs, nsum)

// func groupQ8x2VNNI(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ8x2VNNI(SB), NOSPLIT, $0-64
	MOVQ ·weightsAhead(SB), R10
	PAIR8
