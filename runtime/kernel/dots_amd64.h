// The frame of the kernels that multiply a Q4_0 row with eight vectors in registers of 256 bits. A file that includes it defines
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

// BLOCK takes block k of eight.
#define BLOCK(k) \
	VBROADCASTI128 (16*k)(BX), Y0;                  \
	VPSRLVQ        Y5, Y0, Y0;                      \
	VPAND          Y7, Y0, Y0;                      \
	VECTOR(32*k(R8), 4*k+64, Y8, Y1, 1, Y2, 2);     \
	VECTOR(32*k(R9), 4*k+96, Y9, Y3, 3, Y4, 4);     \
	VECTOR(32*k(R10), 4*k+128, Y10, Y1, 1, Y2, 2);  \
	VECTOR(32*k(R11), 4*k+160, Y11, Y3, 3, Y4, 4);  \
	VECTOR(32*k(R12), 4*k+192, Y12, Y1, 1, Y2, 2);  \
	VECTOR(32*k(R13), 4*k+224, Y13, Y3, 3, Y4, 4);  \
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

// DOTS8 is a function of dots *[8]float32, quants, scales []byte, lanes *lane, tokens *[8]int32, blocks int, with 320 bytes of stack: where the vectors'
// scales are, and eight of these for each. R8-R15 are the vectors' quants, SI where their scales go on.
#define DOTS8 \
	MOVQ quants_base+8(FP), BX; \
	MOVQ scales_base+32(FP), CX; \
	MOVQ lanes+56(FP), DI; \
	MOVQ tokens+64(FP), R15; \
	LANE(0, R8, Y8); \
	LANE(1, R9, Y9); \
	LANE(2, R10, Y10); \
	LANE(3, R11, Y11); \
	LANE(4, R12, Y12); \
	LANE(5, R13, Y13); \
	LANE(6, R14, Y14); \
	LANE(7, R15, Y15); \
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
	SCALES8(0, Y8); \
	SCALES8(1, Y9); \
	SCALES8(2, Y10); \
	SCALES8(3, Y11); \
	SCALES8(4, Y12); \
	SCALES8(5, Y13); \
	SCALES8(6, Y14); \
	SCALES8(7, Y15); \
	BLOCK(0); \
	BLOCK(1); \
	BLOCK(2); \
	BLOCK(3); \
	BLOCK(4); \
	BLOCK(5); \
	BLOCK(6); \
	BLOCK(7); \
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
	SCALE1(0, Y8); \
	SCALE1(1, Y9); \
	SCALE1(2, Y10); \
	SCALE1(3, Y11); \
	SCALE1(4, Y12); \
	SCALE1(5, Y13); \
	SCALE1(6, Y14); \
	SCALE1(7, Y15); \
	BLOCK(0); \
	ADDQ $16, BX; \
	ADDQ $2, CX; \
	ADDQ $4, SI; \
	MOVEALL(32); \
	DECQ DX; \
	JNZ one; \
done: \
	SUM4(Y8, Y9, Y10, Y11, X8, 0(DI)); \
	SUM4(Y12, Y13, Y14, Y15, X12, 16(DI)); \
	VZEROUPPER; \
	RET
