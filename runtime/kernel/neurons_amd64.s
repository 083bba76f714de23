//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "neurons_amd64.h"

// PRODUCTS and SUMS: see neurons_amd64.h.
#define PRODUCTS(lo, hi, nlo, nhi) \
	VPMADDUBSW Y10, lo, lo; \
	VPMADDUBSW Y11, hi, hi; \
	VPADDW     hi, lo, lo;  \
	VPMADDWD   Y14, lo, lo

#define SUMS(y, q, nq) \
	VPMADDWD Y8, Y4, Y4;   \
	VPMADDWD Y9, Y5, Y5;   \
	VPMADDWD Y8, Y6, Y6;   \
	VPMADDWD Y9, Y7, Y7;   \
	VPADDD   Y5, Y4, Y4;   \
	VPADDD   Y7, Y6, Y6;   \
	VPADDD   Y12, Y4, Y4;  \
	VPADDD   Y13, Y6, Y6;  \
	OUT(Y4, Y10, y);       \
	OUT(Y6, Y11, y+64)

// func dotQ4Rows4AVX2(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)
TEXT ·dotQ4Rows4AVX2(SB), NOSPLIT, $128-40
	DOTS4

// func axpyQ4x4AVX2(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)
TEXT ·axpyQ4x4AVX2(SB), NOSPLIT, $512-56
	AXPY4
