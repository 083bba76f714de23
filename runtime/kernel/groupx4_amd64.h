// The frame of the kernels that multiply a group of Q4_0 rows with four vectors in registers of 256 bits. A file that includes it defines
//
//	VECTOR(base, x, sum0, sum1, n0, n1), which adds the products of a line, unpacked in Y8-Y11, with four activations at x and at
//	x+16 to sum0 (rows 0-7) and sum1 (rows 8-15), which are the registers Y(n0) and Y(n1);
//	ADD(sum, d, y), which adds such sums, of weights with the scales d, to y. Y12 and Y13 are the vector's offset and scale, Y14 is ones,
//	Y10 scratch.

#define LINE(w, x) \
	VMOVDQU (w)(SI), Y8;       \
	VMOVDQU (w+32)(SI), Y10;   \
	UNPACK(Y8, Y9);            \
	UNPACK(Y10, Y11);          \
	VECTOR(R8, x, Y0, Y1, 0, 1);     \
	VECTOR(R9, x, Y2, Y3, 2, 3);     \
	VECTOR(R10, x, Y4, Y5, 4, 5);    \
	VECTOR(R11, x, Y6, Y7, 6, 7)

// FINISH adds the sums of vector v.
#define FINISH(v, k, sum0, sum1) \
	MOVQ         (v*vector__size+vector_sum)(R13), BX; \
	VPBROADCASTD (4*k)(BX)(R12*4), Y12;                \
	VPSLLD       $3, Y12, Y12;                         \
	MOVQ         (v*vector__size+vector_d)(R13), BX;   \
	VBROADCASTSS (4*k)(BX)(R12*4), Y13;                \
	ADD(sum0, Y8, 64*v);                               \
	ADD(sum1, Y9, 64*v+32)

// BLOCK adds block k from the current one, whose scales and quants are at s and w.
#define BLOCK(k, s, w) \
	VPXOR        Y0, Y0, Y0;      \
	VPXOR        Y1, Y1, Y1;      \
	VPXOR        Y2, Y2, Y2;      \
	VPXOR        Y3, Y3, Y3;      \
	VPXOR        Y4, Y4, Y4;      \
	VPXOR        Y5, Y5, Y5;      \
	VPXOR        Y6, Y6, Y6;      \
	VPXOR        Y7, Y7, Y7;      \
	LINE(w+0, 32*k+0);            \
	LINE(w+64, 32*k+4);           \
	LINE(w+128, 32*k+8);          \
	LINE(w+192, 32*k+12);         \
	VCVTPH2PS    (s)(SI), Y8;     \
	VCVTPH2PS    (s+16)(SI), Y9;  \
	VPBROADCASTQ ones<>(SB), Y14; \
	FINISH(0, k, Y0, Y1);         \
	FINISH(1, k, Y2, Y3);         \
	FINISH(2, k, Y4, Y5);         \
	FINISH(3, k, Y6, Y7)

// FOUR is a function of acc *[4][16]float32, group []byte, x *[4]vector. R12 is the block, R13 the vectors; the sums stay in acc, as registers are short.
#define FOUR \
	MOVQ         acc+0(FP), AX; \
	MOVQ         group_base+8(FP), SI; \
	MOVQ         x+32(FP), R13; \
	MOVQ         (0*vector__size+vector_q)(R13), R8; \
	MOVQ         (1*vector__size+vector_q)(R13), R9; \
	MOVQ         (2*vector__size+vector_q)(R13), R10; \
	MOVQ         (3*vector__size+vector_q)(R13), R11; \
	MOVQ         (vector_d+8)(R13), CX; \
	XORQ         R12, R12; \
	VPBROADCASTQ nibble<>(SB), Y15; \
	VPXOR        Y0, Y0, Y0; \
	VMOVUPS      Y0, 0(AX); \
	VMOVUPS      Y0, 32(AX); \
	VMOVUPS      Y0, 64(AX); \
	VMOVUPS      Y0, 96(AX); \
	VMOVUPS      Y0, 128(AX); \
	VMOVUPS      Y0, 160(AX); \
	VMOVUPS      Y0, 192(AX); \
	VMOVUPS      Y0, 224(AX); \
	SUBQ         $2, CX; \
	JLT          last; \
pair: \
	BLOCK(0, 0, 64); \
	BLOCK(1, 32, 320); \
	ADDQ $576, SI; \
	ADDQ $64, R8; \
	ADDQ $64, R9; \
	ADDQ $64, R10; \
	ADDQ $64, R11; \
	ADDQ $2, R12; \
	SUBQ $2, CX; \
	JGE  pair; \
last: \
	ADDQ $2, CX; \
	JZ   done; \
	BLOCK(0, 0, 32); \
done: \
	VZEROUPPER; \
	RET
