//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "dotx4_amd64.h"
#include "vnni_amd64.h"

// VECTOR: see dotx4_amd64.h.
#define VECTOR(x, s, acc, t, nt, f, nf) \
	VMOVDQU      x, f;         \
	VPXOR        t, t, t;      \
	DPBUSD(nf, 0, nt);         \
	VCVTDQ2PS    t, t;         \
	VBROADCASTSS (s)(SP), f;   \
	VFMADD231PS  f, t, acc

// func dotQ4x4VNNI(dots *[4]float32, quants, scales []byte, x *[4]vector)
TEXT ·dotQ4x4VNNI(SB), NOSPLIT, $128-64
	DOTS
