// The frame of the kernels that add four Q4_0 rows to a vector in registers of 256 bits. A file that includes it defines SUMS(k), which multiplies
// the words of a block with the factors and adds them to y by OUT. Those of the rows 0 and 1, side by side, are for the block's columns 0-7 in
// Y0, 8-15 in Y2, 16-23 in Y4, 24-31 in Y5, those of the rows 2 and 3 in Y1, Y3, Y6 and Y7; the factors are in Y8 and Y9; Y12 is −8·Σ k in
// every long, which the offset of the quants comes to. Y10 is scratch.

// low: the low nibble of every word.
DATA low<>+0(SB)/4, $0x000f000f
GLOBL low<>(SB), RODATA|NOPTR, $4
DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x46fffe00  // 32767
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA least<>+0(SB)/4, $0x0da24260 // 1e-30: what stands for a largest factor of 0
GLOBL least<>(SB), RODATA|NOPTR, $4
DATA word<>+0(SB)/4, $0x0000ffff
GLOBL word<>(SB), RODATA|NOPTR, $4

// FACTORS leaves f[i], which is in the stack at f, times eight scales of row i, at (r)(CX), in y.
#define FACTORS(r, f, y, t) \
	VCVTPH2PS    (r)(CX*1), y; \
	VBROADCASTSS (f)(BX), t;   \
	VMULPS       t, y, y

// PAIR leaves the words of 16 bytes of two rows, at w(ra) and w(rb), side by side: those of bytes 0-7 in a, of 8-15 in b.
#define PAIR(w, ra, rb, a, xa, b, xb, t) \
	VPSHUFD    $0xd8, (w)(ra), xa; \
	VPSHUFD    $0xd8, (w)(rb), xb; \
	VPMOVZXBW  xa, a;              \
	VPMOVZXBW  xb, t;              \
	VPUNPCKHWD t, a, b;            \
	VPUNPCKLWD t, a, a

// OUT adds the longs in d, times Y11, to y(DI).
#define OUT(d, y) \
	VCVTDQ2PS   d, d;                \
	VFMADD213PS (y)(DI), Y11, d;     \
	VMOVUPS     d, (y)(DI)

// BLOCK takes block k of eight.
#define BLOCK(k) \
	PAIR(16*k, R8, R9, Y0, X0, Y2, X2, Y4);    \
	PAIR(16*k, R10, R11, Y1, X1, Y3, X3, Y4);  \
	VPBROADCASTD (4*k+0)(SP), Y8;    \
	VPBROADCASTD (4*k+32)(SP), Y9;   \
	VBROADCASTSS (4*k+64)(SP), Y11;  \
	VPBROADCASTD (4*k+96)(SP), Y12;  \
	VPSRLW       $4, Y0, Y4;         \
	VPSRLW       $4, Y2, Y5;         \
	VPSRLW       $4, Y1, Y6;         \
	VPSRLW       $4, Y3, Y7;         \
	VPAND        Y15, Y0, Y0;        \
	VPAND        Y15, Y2, Y2;        \
	VPAND        Y15, Y1, Y1;        \
	VPAND        Y15, Y3, Y3;        \
	SUMS(k)

// AHEAD prefetches what lies at ahead[i/8] and has 128(SP) bytes been before: 160 bytes for every eight blocks.
#define AHEAD(i) \
	MOVQ       ahead+48(FP), BX;  \
	MOVQ       (i)(BX), BX;       \
	ADDQ       128(SP), BX;       \
	PREFETCHT0 (BX);              \
	PREFETCHT0 64(BX);            \
	PREFETCHT0 128(BX)

// AXPY is a function of y []float32, f *[4]float32, quants, scales, ahead *[4]*byte, with 136 bytes of stack.
//
// Four rows at once. In a block, row i's factor is c = f[i] times its scale. The four are rounded to words k, c ≈ s·k with
// the largest magnitude at 32767, so that two rows' products come of one instruction; then y += s·(Σ k·q − 8·Σ k). A factor that is not a
// number makes s none. R8-R11 are the quants, R12, R13, DX and SI the scales, CX the bytes of them that are done.
#define AXPY \
	MOVQ         y_base+0(FP), DI; \
	MOVQ         y_len+8(FP), AX; \
	MOVQ         quants+32(FP), BX; \
	MOVQ         0(BX), R8; \
	MOVQ         8(BX), R9; \
	MOVQ         16(BX), R10; \
	MOVQ         24(BX), R11; \
	MOVQ         scales+40(FP), BX; \
	MOVQ         0(BX), R12; \
	MOVQ         8(BX), R13; \
	MOVQ         16(BX), DX; \
	MOVQ         24(BX), SI; \
	VPBROADCASTD low<>(SB), Y15; \
	VPBROADCASTD word<>(SB), Y14; \
	VBROADCASTSS magnitude<>(SB), Y13; \
	XORQ         CX, CX; \
	MOVQ         CX, 128(SP); \
	SUBQ         $256, AX; \
	JLT          done; \
eight: \
	MOVQ         f+24(FP), BX; \
	FACTORS(R12, 0, Y0, Y4); \
	FACTORS(R13, 4, Y1, Y4); \
	FACTORS(DX, 8, Y2, Y4); \
	FACTORS(SI, 12, Y3, Y4); \
	VANDPS       Y13, Y0, Y4; \
	VANDPS       Y13, Y1, Y5; \
	VANDPS       Y13, Y2, Y6; \
	VANDPS       Y13, Y3, Y7; \
	VADDPS       Y5, Y4, Y8; \
	VADDPS       Y7, Y6, Y9; \
	VADDPS       Y9, Y8, Y8; \
	VSUBPS       Y8, Y8, Y8; \
	VMAXPS       Y5, Y4, Y4; \
	VMAXPS       Y7, Y6, Y6; \
	VMAXPS       Y6, Y4, Y4; \
	VBROADCASTSS least<>(SB), Y5; \
	VMAXPS       Y5, Y4, Y4; \
	VBROADCASTSS most<>(SB), Y5; \
	VDIVPS       Y5, Y4, Y6; \
	VDIVPS       Y4, Y5, Y7; \
	VADDPS       Y8, Y6, Y6; \
	VMOVUPS      Y6, 64(SP); \
	VMULPS       Y7, Y0, Y0; \
	VMULPS       Y7, Y1, Y1; \
	VMULPS       Y7, Y2, Y2; \
	VMULPS       Y7, Y3, Y3; \
	VCVTPS2DQ    Y0, Y0; \
	VCVTPS2DQ    Y1, Y1; \
	VCVTPS2DQ    Y2, Y2; \
	VCVTPS2DQ    Y3, Y3; \
	VPADDD       Y1, Y0, Y4; \
	VPADDD       Y3, Y2, Y5; \
	VPADDD       Y5, Y4, Y4; \
	VPSLLD       $3, Y4, Y4; \
	VPXOR        Y5, Y5, Y5; \
	VPSUBD       Y4, Y5, Y4; \
	VMOVDQU      Y4, 96(SP); \
	VPSLLD       $16, Y1, Y1; \
	VPSLLD       $16, Y3, Y3; \
	VPAND        Y14, Y0, Y0; \
	VPAND        Y14, Y2, Y2; \
	VPOR         Y1, Y0, Y0; \
	VPOR         Y3, Y2, Y2; \
	VMOVDQU      Y0, 0(SP); \
	VMOVDQU      Y2, 32(SP); \
	AHEAD(0); \
	BLOCK(0); \
	BLOCK(1); \
	AHEAD(8); \
	BLOCK(2); \
	BLOCK(3); \
	AHEAD(16); \
	BLOCK(4); \
	BLOCK(5); \
	AHEAD(24); \
	BLOCK(6); \
	BLOCK(7); \
	ADDQ         $160, 128(SP); \
	ADDQ         $16, CX; \
	ADDQ         $128, R8; \
	ADDQ         $128, R9; \
	ADDQ         $128, R10; \
	ADDQ         $128, R11; \
	ADDQ         $1024, DI; \
	SUBQ         $256, AX; \
	JGE          eight; \
done: \
	VZEROUPPER; \
	RET
