// The frame of the kernels that multiply a Q4_0 row with four vectors in registers of 256 bits. A file that includes it defines
// VECTOR(x, s, acc, t, nt, f, nf), which adds the products of the block in Y0 with the activations at x, times the scale at s(SP), to acc; t and
// f are scratch, the registers Y(nt) and Y(nf).

// halves: see row_amd64.s.
DATA halves<>+0(SB)/8, $0
DATA halves<>+8(SB)/8, $0
DATA halves<>+16(SB)/8, $4
DATA halves<>+24(SB)/8, $4
GLOBL halves<>(SB), RODATA|NOPTR, $32

// WEIGHTS unpacks the Q4_0 block at w(BX) to Y0.
#define WEIGHTS(w) \
	VBROADCASTI128 (w)(BX), Y0; \
	VPSRLVQ        Y13, Y0, Y0; \
	VPAND          Y15, Y0, Y0

// BLOCK takes block k of eight.
#define BLOCK(k) \
	WEIGHTS(16*k);                             \
	VECTOR(32*k(R8), 4*k+0, Y8, Y1, 1, Y5, 5);       \
	VECTOR(32*k(R9), 4*k+32, Y9, Y2, 2, Y6, 6);      \
	VECTOR(32*k(R10), 4*k+64, Y10, Y3, 3, Y7, 7);    \
	VECTOR(32*k(R11), 4*k+96, Y11, Y4, 4, Y12, 12)

// SCALES8 stores the eight scales in Y0 times those of vector v at (SP) and takes the weights' offset off acc.
#define SCALES8(v, acc) \
	MOVQ         (v*vector__size+vector_d)(R12), AX;   \
	VMULPS       (AX)(R13*4), Y0, Y1;                  \
	VMOVUPS      Y1, (32*v)(SP);                       \
	MOVQ         (v*vector__size+vector_sum)(R12), AX; \
	VMOVDQU      (AX)(R13*4), Y2;                      \
	VPSLLD       $3, Y2, Y2;                           \
	VCVTDQ2PS    Y2, Y2;                               \
	VFNMADD231PS Y2, Y1, acc

// SCALE1 is SCALES8 for the scale in Y0, of one block. An eighth of the offset is taken off each lane.
#define SCALE1(v, acc) \
	MOVQ         (v*vector__size+vector_d)(R12), AX;   \
	VBROADCASTSS (AX)(R13*4), Y1;                      \
	VMULPS       Y1, Y0, Y1;                           \
	VMOVSS       X1, (32*v)(SP);                       \
	MOVQ         (v*vector__size+vector_sum)(R12), AX; \
	VPBROADCASTD (AX)(R13*4), Y2;                      \
	VCVTDQ2PS    Y2, Y2;                               \
	VFNMADD231PS Y2, Y1, acc

// DOTS is a function of dots *[4]float32, quants, scales []byte, x *[4]vector, with 128 bytes of stack.
//
// R8-R11 are the vectors' quants, R13 counts blocks.
#define DOTS \
	MOVQ dots+0(FP), DI; \
	MOVQ quants_base+8(FP), BX; \
	MOVQ scales_base+32(FP), CX; \
	MOVQ x+56(FP), R12; \
	MOVQ (0*vector__size+vector_q)(R12), R8; \
	MOVQ (1*vector__size+vector_q)(R12), R9; \
	MOVQ (2*vector__size+vector_q)(R12), R10; \
	MOVQ (3*vector__size+vector_q)(R12), R11; \
	MOVQ (vector_d+8)(R12), DX; \
	XORQ R13, R13; \
	VPBROADCASTQ nibble<>(SB), Y15; \
	VPBROADCASTQ ones<>(SB), Y14; \
	VMOVDQU halves<>(SB), Y13; \
	VPXOR Y8, Y8, Y8; \
	VPXOR Y9, Y9, Y9; \
	VPXOR Y10, Y10, Y10; \
	VPXOR Y11, Y11, Y11; \
	SUBQ $8, DX; \
	JLT rest; \
eight: \
	VCVTPH2PS (CX), Y0; \
	SCALES8(0, Y8); \
	SCALES8(1, Y9); \
	SCALES8(2, Y10); \
	SCALES8(3, Y11); \
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
	ADDQ $256, R8; \
	ADDQ $256, R9; \
	ADDQ $256, R10; \
	ADDQ $256, R11; \
	ADDQ $8, R13; \
	SUBQ $8, DX; \
	JGE eight; \
rest: \
	ADDQ $8, DX; \
	JZ done; \
one: \
	VPBROADCASTW (CX), X0; \
	VCVTPH2PS X0, Y0; \
	SCALE1(0, Y8); \
	SCALE1(1, Y9); \
	SCALE1(2, Y10); \
	SCALE1(3, Y11); \
	BLOCK(0); \
	ADDQ $16, BX; \
	ADDQ $2, CX; \
	ADDQ $32, R8; \
	ADDQ $32, R9; \
	ADDQ $32, R10; \
	ADDQ $32, R11; \
	INCQ R13; \
	DECQ DX; \
	JNZ one; \
done: \
	VHADDPS Y9, Y8, Y8; \
	VHADDPS Y11, Y10, Y10; \
	VHADDPS Y10, Y8, Y8; \
	VEXTRACTF128 $1, Y8, X0; \
	VADDPS X0, X8, X8; \
	VMOVUPS X8, (DI); \
	VZEROUPPER; \
	RET
