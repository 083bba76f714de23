// The frame of the kernels that multiply two groups with one vector in registers of 256 bits: the kernels of group_amd64.s, with the activations
// loaded once. Two streams of weights also come out of memory faster than one after the other. The first group is at SI, its sums in Y10 and Y11,
// its results in Y12 and Y13; the second at R9, its sums in Y4 and Y5, its results in Y6 and Y7. A file that includes it defines
//
//	HALF(g, w, lo, hi, sum, nlo, nhi, nsum), which adds the products of half a line of Q4_0 at w(g) with the activations in Y8 (low nibbles) and Y9
//	to sum, which is the register Y(nsum); lo and hi, which are Y(nlo) and Y(nhi), are scratch;
//	LONGS(sum), which makes longs of such sums;
//	HALF8(g, w, abs, signed, sum, nabs, nsigned, nsum), which does so for Q8_0, with longs. Y14 are words of 1;
//	FETCH(w, g), which prefetches what lies some way behind w(g).

#define LINE(w, x) \
	VPBROADCASTD (x)(DI), Y8;      \
	VPBROADCASTD (x+16)(DI), Y9;   \
	HALF(SI, w, Y0, Y1, Y10, 0, 1, 10); \
	HALF(SI, w+32, Y2, Y3, Y11, 2, 3, 11); \
	FETCH(w, SI);                  \
	HALF(R9, w, Y0, Y1, Y4, 0, 1, 4); \
	HALF(R9, w+32, Y2, Y3, Y5, 2, 3, 5); \
	FETCH(w, R9)

// SCALE adds the integers in a and b, times the weights' scales at s(g) and the activations' scale in Y1, to ya and yb.
#define SCALE(g, s, a, b, ya, yb) \
	VCVTDQ2PS   a, a;           \
	VCVTDQ2PS   b, b;           \
	VCVTPH2PS   (s)(g), Y2;     \
	VCVTPH2PS   (s+16)(g), Y3;  \
	VMULPS      Y1, Y2, Y2;     \
	VMULPS      Y1, Y3, Y3;     \
	VFMADD231PS Y2, a, ya;      \
	VFMADD231PS Y3, b, yb

#define ZEROSUMS \
	VPXOR Y10, Y10, Y10; \
	VPXOR Y11, Y11, Y11; \
	VPXOR Y4, Y4, Y4;    \
	VPXOR Y5, Y5, Y5

#define BLOCK(k, s, w) \
	ZEROSUMS;                            \
	LINE(w+0, 32*k+0);                   \
	LINE(w+64, 32*k+4);                  \
	LINE(w+128, 32*k+8);                 \
	LINE(w+192, 32*k+12);                \
	LONGS(Y10);                           \
	LONGS(Y11);                           \
	LONGS(Y4);                            \
	LONGS(Y5);                            \
	VPBROADCASTD (4*k)(DX), Y0;          \
	VPSLLD       $3, Y0, Y0;             \
	VPSUBD       Y0, Y10, Y10;           \
	VPSUBD       Y0, Y11, Y11;           \
	VPSUBD       Y0, Y4, Y4;             \
	VPSUBD       Y0, Y5, Y5;             \
	VBROADCASTSS (4*k)(R13), Y1;         \
	SCALE(SI, s, Y10, Y11, Y12, Y13);    \
	SCALE(R9, s, Y4, Y5, Y6, Y7)

#define START \
	MOVQ         acc+0(FP), R8;        \
	MOVQ         a_base+8(FP), SI;     \
	MOVQ         b_base+32(FP), R9;    \
	MOVQ         x+56(FP), R11;        \
	MOVQ         vector_q(R11), DI;    \
	MOVQ         vector_d(R11), R13;   \
	MOVQ         (vector_d+8)(R11), AX; \
	MOVQ         vector_sum(R11), DX;  \
	VPBROADCASTQ nibble<>(SB), Y15;    \
	VPBROADCASTQ ones<>(SB), Y14;      \
	VPXOR        Y12, Y12, Y12;        \
	VPXOR        Y13, Y13, Y13;        \
	VPXOR        Y6, Y6, Y6;           \
	VPXOR        Y7, Y7, Y7

#define STORE \
	VMOVUPS Y12, (R8);   \
	VMOVUPS Y13, 32(R8); \
	VMOVUPS Y6, 64(R8);  \
	VMOVUPS Y7, 96(R8);  \
	VZEROUPPER

// PAIR4 is a function of acc *[2][16]float32, a, b []byte, x *vector, for Q4_0.
#define PAIR4 \
	START; \
	SUBQ $2, AX; \
	JLT  last; \
pair: \
	FETCH(0, SI); \
	FETCH(0, R9); \
	BLOCK(0, 0, 64); \
	BLOCK(1, 32, 320); \
	ADDQ       $576, SI; \
	ADDQ       $576, R9; \
	ADDQ       $64, DI; \
	ADDQ       $8, R13; \
	ADDQ       $8, DX; \
	SUBQ       $2, AX; \
	JGE        pair; \
last: \
	ADDQ $2, AX; \
	JZ   done; \
	BLOCK(0, 0, 32); \
done: \
	STORE; \
	RET

#define LINE8(w, x) \
	VPBROADCASTD (x)(DI), Y8;       \
	HALF8(SI, w, Y0, Y1, Y10, 0, 1, 10); \
	HALF8(SI, w+32, Y2, Y3, Y11, 2, 3, 11); \
	FETCH(w, SI);                   \
	HALF8(R9, w, Y0, Y1, Y4, 0, 1, 4); \
	HALF8(R9, w+32, Y2, Y3, Y5, 2, 3, 5); \
	FETCH(w, R9)

#define BLOCK8(k, s, w) \
	ZEROSUMS;                          \
	LINE8(w+0, 32*k+0);                \
	LINE8(w+64, 32*k+4);               \
	LINE8(w+128, 32*k+8);              \
	LINE8(w+192, 32*k+12);             \
	LINE8(w+256, 32*k+16);             \
	LINE8(w+320, 32*k+20);             \
	LINE8(w+384, 32*k+24);             \
	LINE8(w+448, 32*k+28);             \
	VBROADCASTSS (4*k)(R13), Y1;       \
	SCALE(SI, s, Y10, Y11, Y12, Y13);  \
	SCALE(R9, s, Y4, Y5, Y6, Y7)

// PAIR8 is PAIR4 for Q8_0.
#define PAIR8 \
	START; \
	SUBQ $2, AX; \
	JLT  last; \
pair: \
	FETCH(0, SI); \
	FETCH(0, R9); \
	BLOCK8(0, 0, 64); \
	BLOCK8(1, 32, 576); \
	ADDQ       $1088, SI; \
	ADDQ       $1088, R9; \
	ADDQ       $64, DI; \
	ADDQ       $8, R13; \
	SUBQ       $2, AX; \
	JGE        pair; \
last: \
	ADDQ $2, AX; \
	JZ   done; \
	BLOCK8(0, 0, 32); \
done: \
	STORE; \
	RET
