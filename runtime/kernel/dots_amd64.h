// The frame of the kernels that multiply a Q4_0 row with four, six or eight vectors in registers of 256 bits. A file that includes it defines
// VECTOR(x, s, acc, t, nt, f, nf), which adds the products of the block in Y0 with the activations at x, times the scale at s(SP), to acc; t and
// f are scratch, the registers Y(nt) and Y(nf). Y6 is ones, Y7 nibble.

// halves: see row_amd64.s.
DATA halves<>+0(SB)/8, $0
DATA halves<>+8(SB)/8, $0
DATA halves<>+16(SB)/8, $4
DATA halves<>+24(SB)/8, $4
GLOBL halves<>(SB), RODATA|NOPTR, $32

// eighth: 1/8.
DATA eighth<>+0(SB)/4, $0x3e000000
GLOBL eighth<>(SB), RODATA|NOPTR, $4

// BLOCK takes block k of eight, with the vectors that VECTORS names.
#define BLOCK(k, VECTORS) \
	VBROADCASTI128 (16*k)(BX), Y0; \
	VPSRLVQ        Y5, Y0, Y0;     \
	VPAND          Y7, Y0, Y0;     \
	VECTORS(k)

#define VECTORS4(k) \
	VECTOR(32*k(R8), 4*k+64, Y8, Y1, 1, Y2, 2);     \
	VECTOR(32*k(R9), 4*k+96, Y9, Y3, 3, Y4, 4);     \
	VECTOR(32*k(R10), 4*k+128, Y10, Y1, 1, Y2, 2);  \
	VECTOR(32*k(R11), 4*k+160, Y11, Y3, 3, Y4, 4)

#define VECTORS6(k) \
	VECTORS4(k);                                    \
	VECTOR(32*k(R12), 4*k+192, Y12, Y1, 1, Y2, 2);  \
	VECTOR(32*k(R13), 4*k+224, Y13, Y3, 3, Y4, 4)

#define VECTORS8(k) \
	VECTORS6(k);                                    \
	VECTOR(32*k(R14), 4*k+256, Y14, Y1, 1, Y2, 2);  \
	VECTOR(32*k(R15), 4*k+288, Y15, Y3, 3, Y4, 4)

// SCALES8 stores the eight scales in Y0 times those of vector v and takes the weights' offset off acc.
#define SCALES8(v, acc) \
	MOVQ         (8*v)(SP), AX;          \
	VMULPS       (AX)(SI*1), Y0, Y1;     \
	VMOVUPS      Y1, (32*v+64)(SP);      \
	VFNMADD231PS 32(AX)(SI*1), Y1, acc

// SCALE1 is SCALES8 for the scale in Y0, of one block. An eighth of the offset is taken off each lane.
#define SCALE1(v, acc) \
	MOVQ         (8*v)(SP), AX;       \
	VBROADCASTSS (AX)(SI*1), Y1;      \
	VMULPS       Y1, Y0, Y1;          \
	VMOVSS       X1, (32*v+64)(SP);   \
	VBROADCASTSS 32(AX)(SI*1), Y2;    \
	VMULPS       Y4, Y2, Y2;          \
	VFNMADD231PS Y2, Y1, acc

#define LANE(v, q, acc) \
	MOVLQSX (4*v)(R15), AX;         \
	SHLQ    $4, AX;                 \
	MOVQ    lane_meta(DI)(AX*1), DX; \
	MOVQ    DX, (8*v)(SP);          \
	MOVQ    lane_q(DI)(AX*1), q;    \
	VPXOR   acc, acc, acc

#define MOVEALL(n) \
	ADDQ $n, R8;  \
	ADDQ $n, R9;  \
	ADDQ $n, R10; \
	ADDQ $n, R11; \
	ADDQ $n, R12; \
	ADDQ $n, R13; \
	ADDQ $n, R14; \
	ADDQ $n, R15

// SUM4 stores the sums of the eight floats of each of a, b, c and d, whose low half is xa.
#define SUM4(a, b, c, d, xa, to) \
	VHADDPS      b, a, a;       \
	VHADDPS      d, c, c;       \
	VHADDPS      c, a, a;       \
	VEXTRACTF128 $1, a, X0;     \
	VADDPS       X0, xa, xa;    \
	VMOVUPS      xa, to

// EACH4, EACH6 and EACH8 are F for every vector and its sum.
#define EACH4(F) F(0, Y8); F(1, Y9); F(2, Y10); F(3, Y11)
#define EACH6(F) EACH4(F); F(4, Y12); F(5, Y13)
#define EACH8(F) EACH6(F); F(6, Y14); F(7, Y15)

// LANES4, LANES6 and LANES8 find the vectors.
#define LANES4 \
	LANE(0, R8, Y8);   \
	LANE(1, R9, Y9);   \
	LANE(2, R10, Y10); \
	LANE(3, R11, Y11)

#define LANES6 \
	LANES4;            \
	LANE(4, R12, Y12); \
	LANE(5, R13, Y13)

#define LANES8 \
	LANES6;            \
	LANE(6, R14, Y14); \
	LANE(7, R15, Y15)

// SUMS4, SUMS6 and SUMS8 store the products. Six are followed by two zeros.
#define SUMS4 SUM4(Y8, Y9, Y10, Y11, X8, 0(DI))

#define SUMS6 \
	SUMS4;              \
	VPXOR Y14, Y14, Y14; \
	VPXOR Y15, Y15, Y15; \
	SUM4(Y12, Y13, Y14, Y15, X12, 16(DI))

#define SUMS8 \
	SUMS4; \
	SUM4(Y12, Y13, Y14, Y15, X12, 16(DI))

// DOTS is a function of dots *[8]float32, quants, scales []byte, lanes *lane, tokens *[8]int32, blocks int, with 320 bytes of stack: where the vectors'
// scales are, and eight of these for each. It takes the first four, six or eight tokens, as the macros say that it is given. R8-R15 are the vectors'
// quants, as far as there are any, SI where their scales go on.
#define DOTS(LANES, EACH, VECTORS, SUMS) \
	MOVQ quants_base+8(FP), BX; \
	MOVQ scales_base+32(FP), CX; \
	MOVQ lanes+56(FP), DI; \
	MOVQ tokens+64(FP), R15; \
	LANES; \
	MOVQ dots+0(FP), DI; \
	MOVQ blocks+72(FP), DX; \
	XORQ SI, SI; \
	VPBROADCASTQ nibble<>(SB), Y7; \
	VPBROADCASTQ ones<>(SB), Y6; \
	VMOVDQU halves<>(SB), Y5; \
	SUBQ $8, DX; \
	JLT rest; \
eight: \
	VCVTPH2PS (CX), Y0; \
	EACH(SCALES8); \
	BLOCK(0, VECTORS); \
	BLOCK(1, VECTORS); \
	BLOCK(2, VECTORS); \
	BLOCK(3, VECTORS); \
	BLOCK(4, VECTORS); \
	BLOCK(5, VECTORS); \
	BLOCK(6, VECTORS); \
	BLOCK(7, VECTORS); \
	ADDQ $128, BX; \
	ADDQ $16, CX; \
	ADDQ $64, SI; \
	MOVEALL(256); \
	SUBQ $8, DX; \
	JGE eight; \
rest: \
	ADDQ $8, DX; \
	JZ done; \
one: \
	VBROADCASTSS eighth<>(SB), Y4; \
	VPBROADCASTW (CX), X0; \
	VCVTPH2PS X0, Y0; \
	EACH(SCALE1); \
	BLOCK(0, VECTORS); \
	ADDQ $16, BX; \
	ADDQ $2, CX; \
	ADDQ $4, SI; \
	MOVEALL(32); \
	DECQ DX; \
	JNZ one; \
done: \
	SUMS; \
	VZEROUPPER; \
	RET
