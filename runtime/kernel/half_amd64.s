//go:build !noasm

#include "textflag.h"
#include "avx2_amd64.h"

// Rows of F16 or BF16 numbers are widened in registers: dotAVX2 and axpyAVX2 of them need no decoded row in between. WIDEF16 and WIDEBF16 leave the
// eight numbers at x in y, ONEF16 and ONEBF16 the one at x.

#define WIDEF16(x, y) VCVTPH2PS x, y

#define WIDEBF16(x, y) \
	VPMOVZXWD x, y;     \
	VPSLLD    $16, y, y

#define ONEF16(x, y) \
	VPBROADCASTW x, y; \
	VCVTPH2PS    y, y

#define ONEBF16(x, y) \
	VPBROADCASTW x, y;    \
	VPSLLD       $16, y, y

// DOT multiplies the row at SI with the vector at DI, of AX numbers. It prefetches what lies ahead in the row, or behind it.
#define DOT(WIDE, ONE) \
	MOVQ  row_base+0(FP), SI; \
	MOVQ  x_base+24(FP), DI;  \
	MOVQ  x_len+32(FP), AX;   \
	MOVQ  ahead+48(FP), R8;   \
	ADDQ  SI, R8;             \
	VPXOR Y0, Y0, Y0;         \
	VPXOR Y1, Y1, Y1;         \
	VPXOR Y2, Y2, Y2;         \
	VPXOR Y3, Y3, Y3;         \
	SUBQ  $32, AX;            \
	JLT   eights;             \
loop:                         \
	PREFETCHT1 (R8);          \
	WIDE(0(SI), Y4);          \
	WIDE(16(SI), Y5);         \
	WIDE(32(SI), Y6);         \
	WIDE(48(SI), Y7);         \
	VFMADD231PS 0(DI), Y4, Y0;  \
	VFMADD231PS 32(DI), Y5, Y1; \
	VFMADD231PS 64(DI), Y6, Y2; \
	VFMADD231PS 96(DI), Y7, Y3; \
	ADDQ  $64, SI;            \
	ADDQ  $64, R8;            \
	ADDQ  $128, DI;           \
	SUBQ  $32, AX;            \
	JGE   loop;               \
eights:                       \
	ADDQ  $24, AX;            \
	JLT   sum;                \
eight:                        \
	WIDE(0(SI), Y4);          \
	VFMADD231PS (DI), Y4, Y0; \
	ADDQ  $16, SI;            \
	ADDQ  $32, DI;            \
	SUBQ  $8, AX;             \
	JGE   eight;              \
sum:                          \
	VADDPS Y1, Y0, Y0;        \
	VADDPS Y3, Y2, Y2;        \
	VADDPS Y2, Y0, Y0;        \
	HSUM(Y0, X0, X1);         \
	ADDQ  $8, AX;             \
	JZ    done;               \
one:                          \
	ONE(0(SI), X4);           \
	VFMADD231SS (DI), X4, X0; \
	ADDQ  $2, SI;             \
	ADDQ  $4, DI;             \
	DECQ  AX;                 \
	JNZ   one;                \
done:                         \
	VMOVSS X0, ret+56(FP);    \
	VZEROUPPER;               \
	RET

// DOT2 is DOT for two rows, at SI and R9, which share the reading of the vector.
#define DOT2(WIDE, ONE) \
	MOVQ  a_base+0(FP), SI; \
	MOVQ  b_base+24(FP), R9; \
	MOVQ  x_base+48(FP), DI; \
	MOVQ  x_len+56(FP), AX; \
	MOVQ  ahead+72(FP), R8; \
	LEAQ  (R9)(R8*1), R10; \
	ADDQ  SI, R8; \
	VPXOR Y0, Y0, Y0; \
	VPXOR Y1, Y1, Y1; \
	VPXOR Y2, Y2, Y2; \
	VPXOR Y3, Y3, Y3; \
	VPXOR Y4, Y4, Y4; \
	VPXOR Y5, Y5, Y5; \
	VPXOR Y6, Y6, Y6; \
	VPXOR Y7, Y7, Y7; \
	SUBQ  $32, AX; \
	JLT   eights; \
loop: \
	PREFETCHT1 (R8); \
	PREFETCHT1 (R10); \
	VMOVUPS 0(DI), Y12; \
	VMOVUPS 32(DI), Y13; \
	VMOVUPS 64(DI), Y14; \
	VMOVUPS 96(DI), Y15; \
	WIDE(0(SI), Y8); \
	WIDE(16(SI), Y9); \
	WIDE(32(SI), Y10); \
	WIDE(48(SI), Y11); \
	VFMADD231PS Y12, Y8, Y0; \
	VFMADD231PS Y13, Y9, Y1; \
	VFMADD231PS Y14, Y10, Y2; \
	VFMADD231PS Y15, Y11, Y3; \
	WIDE(0(R9), Y8); \
	WIDE(16(R9), Y9); \
	WIDE(32(R9), Y10); \
	WIDE(48(R9), Y11); \
	VFMADD231PS Y12, Y8, Y4; \
	VFMADD231PS Y13, Y9, Y5; \
	VFMADD231PS Y14, Y10, Y6; \
	VFMADD231PS Y15, Y11, Y7; \
	ADDQ  $64, SI; \
	ADDQ  $64, R9; \
	ADDQ  $64, R8; \
	ADDQ  $64, R10; \
	ADDQ  $128, DI; \
	SUBQ  $32, AX; \
	JGE   loop; \
eights: \
	ADDQ  $24, AX; \
	JLT   sum; \
eight: \
	WIDE(0(SI), Y8); \
	WIDE(0(R9), Y9); \
	VFMADD231PS (DI), Y8, Y0; \
	VFMADD231PS (DI), Y9, Y4; \
	ADDQ  $16, SI; \
	ADDQ  $16, R9; \
	ADDQ  $32, DI; \
	SUBQ  $8, AX; \
	JGE   eight; \
sum: \
	VADDPS Y1, Y0, Y0; \
	VADDPS Y3, Y2, Y2; \
	VADDPS Y2, Y0, Y0; \
	HSUM(Y0, X0, X8); \
	VADDPS Y5, Y4, Y4; \
	VADDPS Y7, Y6, Y6; \
	VADDPS Y6, Y4, Y4; \
	HSUM(Y4, X4, X8); \
	ADDQ  $8, AX; \
	JZ    done; \
one: \
	ONE(0(SI), X8); \
	ONE(0(R9), X9); \
	VFMADD231SS (DI), X8, X0; \
	VFMADD231SS (DI), X9, X4; \
	ADDQ  $2, SI; \
	ADDQ  $2, R9; \
	ADDQ  $4, DI; \
	DECQ  AX; \
	JNZ   one; \
done: \
	VMOVSS X0, ret+80(FP); \
	VMOVSS X4, ret1+84(FP); \
	VZEROUPPER; \
	RET

// AXPY adds f times the row at SI to the numbers at DI, AX of them.
#define AXPY(WIDE, ONE) \
	MOVQ  dst_base+0(FP), DI; \
	MOVQ  dst_len+8(FP), AX;  \
	VBROADCASTSS f+24(FP), Y8; \
	MOVQ  row_base+32(FP), SI; \
	SUBQ  $32, AX;            \
	JLT   eights;             \
loop:                         \
	WIDE(0(SI), Y0);          \
	WIDE(16(SI), Y1);         \
	WIDE(32(SI), Y2);         \
	WIDE(48(SI), Y3);         \
	VFMADD213PS 0(DI), Y8, Y0;  \
	VFMADD213PS 32(DI), Y8, Y1; \
	VFMADD213PS 64(DI), Y8, Y2; \
	VFMADD213PS 96(DI), Y8, Y3; \
	VMOVUPS Y0, 0(DI);        \
	VMOVUPS Y1, 32(DI);       \
	VMOVUPS Y2, 64(DI);       \
	VMOVUPS Y3, 96(DI);       \
	ADDQ  $64, SI;            \
	ADDQ  $128, DI;           \
	SUBQ  $32, AX;            \
	JGE   loop;               \
eights:                       \
	ADDQ  $24, AX;            \
	JLT   rest;               \
eight:                        \
	WIDE(0(SI), Y0);          \
	VFMADD213PS (DI), Y8, Y0; \
	VMOVUPS Y0, (DI);         \
	ADDQ  $16, SI;            \
	ADDQ  $32, DI;            \
	SUBQ  $8, AX;             \
	JGE   eight;              \
rest:                         \
	ADDQ  $8, AX;             \
	JZ    done;               \
one:                          \
	ONE(0(SI), X0);           \
	VFMADD213SS (DI), X8, X0; \
	VMOVSS X0, (DI);          \
	ADDQ  $2, SI;             \
	ADDQ  $4, DI;             \
	DECQ  AX;                 \
	JNZ   one;                \
done:                         \
	VZEROUPPER;               \
	RET

// func dotF16AVX2(row []byte, x []float32, ahead int) float32
TEXT ·dotF16AVX2(SB), NOSPLIT, $0-60
	DOT(WIDEF16, ONEF16)

// func dotBF16AVX2(row []byte, x []float32, ahead int) float32
TEXT ·dotBF16AVX2(SB), NOSPLIT, $0-60
	DOT(WIDEBF16, ONEBF16)

// func axpyF16AVX2(dst []float32, f float32, row []byte)
TEXT ·axpyF16AVX2(SB), NOSPLIT, $0-56
	AXPY(WIDEF16, ONEF16)

// func axpyBF16AVX2(dst []float32, f float32, row []byte)
TEXT ·axpyBF16AVX2(SB), NOSPLIT, $0-56
	AXPY(WIDEBF16, ONEBF16)

// func dot2F16AVX2(a, b []byte, x []float32, ahead int) (ret, ret1 float32)
TEXT ·dot2F16AVX2(SB), NOSPLIT, $0-88
	DOT2(WIDEF16, ONEF16)

// func dot2BF16AVX2(a, b []byte, x []float32, ahead int) (ret, ret1 float32)
TEXT ·dot2BF16AVX2(SB), NOSPLIT, $0-88
	DOT2(WIDEBF16, ONEBF16)
