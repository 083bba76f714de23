//go:build !noasm

#include "textflag.h"
#include "neurons_amd64.h"

// SUMS: see neurons_amd64.h.
#define SUMS(k) \
	VPMADDWD     Y8, Y0, Y0;         \
	VPMADDWD     Y8, Y2, Y2;         \
	VPMADDWD     Y8, Y4, Y4;         \
	VPMADDWD     Y8, Y5, Y5;         \
	VPMADDWD     Y9, Y1, Y1;         \
	VPMADDWD     Y9, Y3, Y3;         \
	VPMADDWD     Y9, Y6, Y6;         \
	VPMADDWD     Y9, Y7, Y7;         \
	VPADDD       Y1, Y0, Y0;         \
	VPADDD       Y3, Y2, Y2;         \
	VPADDD       Y6, Y4, Y4;         \
	VPADDD       Y7, Y5, Y5;         \
	VPADDD       Y12, Y0, Y0;        \
	VPADDD       Y12, Y2, Y2;        \
	VPADDD       Y12, Y4, Y4;        \
	VPADDD       Y12, Y5, Y5;        \
	OUT(Y0, 128*k+0);                \
	OUT(Y2, 128*k+32);               \
	OUT(Y4, 128*k+64);               \
	OUT(Y5, 128*k+96)

// func axpyQ4x4AVX2(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte)
TEXT ·axpyQ4x4AVX2(SB), NOSPLIT, $136-56
	AXPY
