// The frames of the kernels that take four Q4_0 rows at once in registers of 256 bits: DOTS4 multiplies them with a vector, AXPY4 adds them to one. A
// file that includes this defines
//
//	PRODUCTS(lo, hi, nlo, nhi), which leaves the products of nibbles in lo and hi with the activations in Y10 (low nibbles) and Y11, in eight longs, in
//	lo; lo and hi are Y(nlo) and Y(nhi). Y14 are words of 1;
//	SUMS(y, q, nq), which multiplies words with factors and adds them to y(DI) and 64(y)(DI) by OUT; q, which is Y(nq), is scratch. Eight columns are in Y4 (rows 0 and 1, side by side) and
//	Y5 (rows 2 and 3), and sixteen times those 16 further in Y6 and Y7. The factors are in Y8 and Y9, Y12 has −8·Σ k, and Y13 sixteen times as much,
//	in every long.

// nibbles of a row's low half, and of its high half, in the words of two rows that are side by side.
DATA low<>+0(SB)/4, $0x000f000f
GLOBL low<>(SB), RODATA|NOPTR, $4
DATA high<>+0(SB)/4, $0x00f000f0
GLOBL high<>(SB), RODATA|NOPTR, $4

// Eight floats or longs each: a float without its sign, 32767, 1e-30, which stands for a largest factor of 0, and 1/16.
DATA magnitude<>+0(SB)/8, $0x7fffffff7fffffff
DATA magnitude<>+8(SB)/8, $0x7fffffff7fffffff
DATA magnitude<>+16(SB)/8, $0x7fffffff7fffffff
DATA magnitude<>+24(SB)/8, $0x7fffffff7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $32
DATA most<>+0(SB)/8, $0x46fffe0046fffe00
DATA most<>+8(SB)/8, $0x46fffe0046fffe00
DATA most<>+16(SB)/8, $0x46fffe0046fffe00
DATA most<>+24(SB)/8, $0x46fffe0046fffe00
GLOBL most<>(SB), RODATA|NOPTR, $32
DATA least<>+0(SB)/8, $0x0da242600da24260
DATA least<>+8(SB)/8, $0x0da242600da24260
DATA least<>+16(SB)/8, $0x0da242600da24260
DATA least<>+24(SB)/8, $0x0da242600da24260
GLOBL least<>(SB), RODATA|NOPTR, $32
DATA sixteenth<>+0(SB)/8, $0x3d8000003d800000
DATA sixteenth<>+8(SB)/8, $0x3d8000003d800000
DATA sixteenth<>+16(SB)/8, $0x3d8000003d800000
DATA sixteenth<>+24(SB)/8, $0x3d8000003d800000
GLOBL sixteenth<>(SB), RODATA|NOPTR, $32

// order: where the sums of blocks 0-7 lie that DOT8 leaves.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// DOT2 leaves the products of two blocks of a row at w(r) with the activations in Y10 and Y11 in the longs of lo, one block a lane.
#define DOT2(r, w, lo, hi, nlo, nhi) \
	VMOVDQU (w)(r), lo; \
	UNPACK(lo, hi);     \
	PRODUCTS(lo, hi, nlo, nhi)

// ACTIVATIONS leaves those of blocks 2i and 2i+1 of eight, one block a lane, in Y10 and Y11: the first and the second half of a block.
#define ACTIVATIONS(i) \
	VMOVDQU    (64*i)(DI), Y8;                \
	VPERM2I128 $0x20, (64*i+32)(DI), Y8, Y10; \
	VPERM2I128 $0x31, (64*i+32)(DI), Y8, Y11

// FOLD leaves sums of two times two longs of a and b in a. They fit a word.
#define FOLD(a, b) \
	VPACKSSDW b, a, a; \
	VPMADDWD  Y14, a, a

// DOT2x4 does so for the four rows, with blocks 0 and 1, or 4 and 5, of eight, in a, b, c and d. Meanwhile it prefetches at ahead.
#define DOT2x4(i, a, na, b, nb, c, nc, d, nd, ahead) \
	ACTIVATIONS(i);                 \
	DOT2(R8, 32*i, a, Y8, na, 8);   \
	DOT2(R9, 32*i, b, Y8, nb, 8);   \
	PREFETCHT1 (ahead);             \
	DOT2(R10, 32*i, c, Y8, nc, 8);  \
	DOT2(R11, 32*i, d, Y8, nd, 8);  \
	ADDQ       $64, ahead

// FOLD2x4 does so with the next two blocks, and adds up pairs of longs in a, b, c and d: in each lane two of a block and two of the other.
#define FOLD2x4(i, a, b, c, d, ahead) \
	ACTIVATIONS(i);                   \
	DOT2(R8, 32*i, Y12, Y8, 12, 8);   \
	FOLD(a, Y12);                     \
	DOT2(R9, 32*i, Y12, Y8, 12, 8);   \
	FOLD(b, Y12);                     \
	PREFETCHT1 (ahead);               \
	DOT2(R10, 32*i, Y12, Y8, 12, 8);  \
	FOLD(c, Y12);                     \
	DOT2(R11, 32*i, Y12, Y8, 12, 8);  \
	FOLD(d, Y12);                     \
	ADDQ       $64, ahead

// DOT8 adds the sums of eight blocks of a row, from those of DOT2x4 in a (blocks 0-3) and b, to the floats at acc(SP). Y10 has the offsets, Y11
// the activations' scales.
#define DOT8(r, a, b, acc) \
	FOLD(a, b);                   \
	VPERMD      a, Y13, a;        \
	VPSUBD      Y10, a, a;        \
	VCVTDQ2PS   a, a;             \
	VCVTPH2PS   (r)(CX*1), b;     \
	VMULPS      Y11, b, b;        \
	VFMADD213PS (acc)(SP), a, b;  \
	VMOVUPS     b, (acc)(SP)

// DOTSUM leaves the sum of the floats at acc(SP) in x0, the low half of y0.
#define DOTSUM(acc, y0, x0, x1) \
	VMOVUPS (acc)(SP), y0; \
	HSUM(y0, x0, x1)

// DOTS4 is a function of dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector, with 128 bytes of stack. R8-R11 are the rows'
// quants, whose scales are CX bytes further; R12, R13, BX and R15 what is prefetched: 64 bytes for every eight blocks.
#define DOTS4 \
	MOVQ         quants+8(FP), BX;       \
	MOVQ         0(BX), R8;              \
	MOVQ         8(BX), R9;              \
	MOVQ         16(BX), R10;            \
	MOVQ         24(BX), R11;            \
	MOVQ         scales+16(FP), CX;      \
	MOVQ         x+32(FP), BX;           \
	MOVQ         vector_q(BX), DI;       \
	MOVQ         vector_d(BX), SI;       \
	MOVQ         vector_sum(BX), DX;     \
	MOVQ         (vector_d+8)(BX), AX;   \
	MOVQ         ahead+24(FP), BX;       \
	MOVQ         0(BX), R12;             \
	MOVQ         8(BX), R13;             \
	MOVQ         24(BX), R15;            \
	MOVQ         16(BX), BX;             \
	VPBROADCASTQ nibble<>(SB), Y15;      \
	VPBROADCASTQ ones<>(SB), Y14;        \
	VMOVDQU      order<>(SB), Y13;       \
	VPXOR        Y0, Y0, Y0;             \
	VMOVUPS      Y0, 0(SP);              \
	VMOVUPS      Y0, 32(SP);             \
	VMOVUPS      Y0, 64(SP);             \
	VMOVUPS      Y0, 96(SP);             \
	SUBQ         $8, AX;                 \
	JLT          done;                   \
eight: \
	DOT2x4(0, Y0, 0, Y1, 1, Y2, 2, Y3, 3, R12);  \
	FOLD2x4(1, Y0, Y1, Y2, Y3, R13);             \
	DOT2x4(2, Y4, 4, Y5, 5, Y6, 6, Y7, 7, BX);   \
	FOLD2x4(3, Y4, Y5, Y6, Y7, R15);             \
	VMOVDQU (DX), Y10;                            \
	VPSLLD  $3, Y10, Y10;                         \
	VMOVUPS (SI), Y11;                            \
	DOT8(R8, Y0, Y4, 0);                          \
	DOT8(R9, Y1, Y5, 32);                         \
	DOT8(R10, Y2, Y6, 64);                        \
	DOT8(R11, Y3, Y7, 96);                        \
	ADDQ    $128, R8;                             \
	ADDQ    $128, R9;                             \
	ADDQ    $128, R10;                            \
	ADDQ    $128, R11;                            \
	SUBQ    $112, CX;                             \
	ADDQ    $256, DI;                             \
	ADDQ    $32, SI;                              \
	ADDQ    $32, DX;                              \
	SUBQ    $8, AX;                               \
	JGE     eight;                                \
done: \
	MOVQ dots+0(FP), AX;         \
	DOTSUM(0, Y0, X0, X8);       \
	DOTSUM(32, Y1, X1, X9);      \
	DOTSUM(64, Y2, X2, X10);     \
	DOTSUM(96, Y3, X3, X11);     \
	VMOVSS X0, 0(AX);            \
	VMOVSS X1, 4(AX);            \
	VMOVSS X2, 8(AX);            \
	VMOVSS X3, 12(AX);           \
	VZEROUPPER;                  \
	RET

// FACTORS leaves f[i] times eight scales of the row at r in y. Eight times f[i] is in the stack, at 384+32·i.
#define FACTORS(r, i, y) \
	VCVTPH2PS (r)(CX*1), y; \
	VMULPS    (384+32*i)(SP), y, y

// SPLAT puts eight times f[i] there.
#define SPLAT(i) \
	VBROADCASTSS (4*i)(AX), Y0; \
	VMOVUPS      Y0, (384+32*i)(SP)

// EIGHT prepares eight blocks, whose scales are CX bytes after R8-R11, at 0(b) to 191(b): the words of the factors k of rows 0 and 1, and of 2 and 3,
// s, −8·Σ k, and s/16 and −128·Σ k.
#define EIGHT(b) \
	FACTORS(R8, 0, Y0);                \
	FACTORS(R9, 1, Y1);                \
	FACTORS(R10, 2, Y2);               \
	FACTORS(R11, 3, Y3);               \
	VMOVUPS      magnitude<>(SB), Y13; \
	VANDPS       Y13, Y0, Y4;          \
	VANDPS       Y13, Y1, Y5;          \
	VANDPS       Y13, Y2, Y6;          \
	VANDPS       Y13, Y3, Y7;          \
	VADDPS       Y5, Y4, Y8;           \
	VADDPS       Y7, Y6, Y9;           \
	VADDPS       Y9, Y8, Y8;           \
	VSUBPS       Y8, Y8, Y8;           \
	VMAXPS       Y5, Y4, Y4;           \
	VMAXPS       Y7, Y6, Y6;           \
	VMAXPS       Y6, Y4, Y4;           \
	VMAXPS       least<>(SB), Y4, Y4;  \
	VMOVUPS      most<>(SB), Y5;       \
	VDIVPS       Y4, Y5, Y7;           \
	VDIVPS       Y5, Y4, Y6;           \
	VADDPS       Y8, Y6, Y6;           \
	VMOVUPS      Y6, 64(b);            \
	VMULPS       sixteenth<>(SB), Y6, Y6; \
	VMOVUPS      Y6, 128(b);           \
	VMULPS       Y7, Y0, Y0;           \
	VMULPS       Y7, Y1, Y1;           \
	VMULPS       Y7, Y2, Y2;           \
	VMULPS       Y7, Y3, Y3;           \
	VCVTPS2DQ    Y0, Y0;               \
	VCVTPS2DQ    Y1, Y1;               \
	VCVTPS2DQ    Y2, Y2;               \
	VCVTPS2DQ    Y3, Y3;               \
	VPADDD       Y1, Y0, Y4;           \
	VPADDD       Y3, Y2, Y5;           \
	VPADDD       Y5, Y4, Y4;           \
	VPSLLD       $3, Y4, Y4;           \
	VPXOR        Y5, Y5, Y5;           \
	VPSUBD       Y4, Y5, Y4;           \
	VMOVDQU      Y4, 96(b);            \
	VPSLLD       $4, Y4, Y4;           \
	VMOVDQU      Y4, 160(b);           \
	VPSLLD       $16, Y1, Y1;          \
	VPSLLD       $16, Y3, Y3;          \
	VPBLENDW     $0xaa, Y1, Y0, Y0;    \
	VPBLENDW     $0xaa, Y3, Y2, Y2;    \
	VMOVDQU      Y0, 0(b);             \
	VMOVDQU      Y2, 32(b)

// OUT adds the longs in d, times s, to y(DI).
#define OUT(d, s, y) \
	VCVTDQ2PS   d, d;            \
	VFMADD213PS (y)(DI), s, d;   \
	VMOVUPS     d, (y)(DI)

// COLUMNS takes bytes 0-7 or 8-15 of block k of eight, in q, whose words are rows 0 and 2, 1 and 3, in turn. Y10 and Y11 are s and s/16.
#define COLUMNS(q, nq, y) \
	VPSRLW $8, q, Y7;     \
	VPAND  Y15, q, Y4;    \
	VPAND  Y15, Y7, Y5;   \
	VPAND  Y14, q, Y6;    \
	VPAND  Y14, Y7, Y7;   \
	SUMS(y, q, nq)

// BLOCK takes block k of eight, in qa and qb. Meanwhile it prefetches the line at line(ahead).
#define BLOCK(k, qa, nqa, qb, nqb, line, ahead) \
	VPBROADCASTD (4*k+0)(BX), Y8;    \
	VPBROADCASTD (4*k+32)(BX), Y9;   \
	VPBROADCASTD (4*k+96)(BX), Y12;  \
	VPBROADCASTD (4*k+160)(BX), Y13; \
	VBROADCASTSS (4*k+64)(BX), Y10;  \
	VBROADCASTSS (4*k+128)(BX), Y11; \
	COLUMNS(qa, nqa, 128*k);         \
	PREFETCHT1 (line)(ahead);        \
	COLUMNS(qb, nqb, 128*k+32)

// BLOCKS takes blocks 2i and 2i+1 of eight. Meanwhile it prefetches 224 bytes at ahead. With the 64 of DOTS4 that is a neuron. Both ask for lines one by
// one, at the pace at which they compute, and to the L2 cache: at its L1 cache a core waits when it has asked for some 24 at once.
#define BLOCKS(i, ahead) \
	VMOVDQU    (32*i)(R8), Y0;      \
	VMOVDQU    (32*i)(R9), Y1;      \
	VMOVDQU    (32*i)(R10), Y2;     \
	VMOVDQU    (32*i)(R11), Y3;     \
	VPUNPCKLBW Y2, Y0, Y4;          \
	VPUNPCKHBW Y2, Y0, Y5;          \
	VPUNPCKLBW Y3, Y1, Y6;          \
	VPUNPCKHBW Y3, Y1, Y7;          \
	VPUNPCKLWD Y6, Y4, Y8;          \
	VPUNPCKHWD Y6, Y4, Y9;          \
	VPUNPCKLWD Y7, Y5, Y10;         \
	VPUNPCKHWD Y7, Y5, Y11;         \
	VPERM2I128 $0x20, Y9, Y8, Y0;   \
	VPERM2I128 $0x31, Y9, Y8, Y2;   \
	VPERM2I128 $0x20, Y11, Y10, Y1; \
	VPERM2I128 $0x31, Y11, Y10, Y3; \
	PREFETCHT1 (ahead);             \
	BLOCK((2*i), Y0, 0, Y1, 1, 64, ahead);    \
	PREFETCHT1 128(ahead);          \
	BLOCK((2*i+1), Y2, 2, Y3, 3, 192, ahead); \
	ADDQ       $224, ahead

// AXPY4 is a function of y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, with 512 bytes of stack.
//
// In a block, row i's factor is c = f[i] times its scale. The four are rounded to words k, c ≈ s·k with the largest magnitude at 32767, so that two
// rows' products come of one instruction; then y += s·(Σ k·q − 8·Σ k). A factor that is not a number makes s none. R8-R11 are the quants, whose scales
// are CX bytes further; R12, R13, DX and SI what is prefetched. BX has the factors of the present eight blocks, and R15 gets those of the next, which
// take long: the processor computes them beside the others.
#define AXPY4 \
	MOVQ         y_base+0(FP), DI;  \
	MOVQ         quants+32(FP), BX; \
	MOVQ         0(BX), R8;         \
	MOVQ         8(BX), R9;         \
	MOVQ         16(BX), R10;       \
	MOVQ         24(BX), R11;       \
	MOVQ         ahead+48(FP), BX;  \
	MOVQ         0(BX), R12;        \
	MOVQ         8(BX), R13;        \
	MOVQ         16(BX), DX;        \
	MOVQ         24(BX), SI;        \
	MOVQ         scales+40(FP), CX; \
	VPBROADCASTD low<>(SB), Y15;    \
	VPBROADCASTD high<>(SB), Y14;   \
	MOVQ         SP, BX;            \
	LEAQ         192(SP), R15;      \
	CMPQ         y_len+8(FP), $256; \
	JLT          done;              \
	MOVQ         f+24(FP), AX;      \
	SPLAT(0);                       \
	SPLAT(1);                       \
	SPLAT(2);                       \
	SPLAT(3);                       \
	EIGHT(BX);                      \
eight: \
	CMPQ         y_len+8(FP), $512; \
	JLT          last;              \
	ADDQ         $16, CX;           \
	EIGHT(R15);                     \
last: \
	BLOCKS(0, R12);                 \
	BLOCKS(1, R13);                 \
	BLOCKS(2, DX);                  \
	BLOCKS(3, SI);                  \
	XCHGQ        BX, R15;           \
	SUBQ         $128, CX;          \
	ADDQ         $128, R8;          \
	ADDQ         $128, R9;          \
	ADDQ         $128, R10;         \
	ADDQ         $128, R11;         \
	ADDQ         $1024, DI;         \
	SUBQ         $256, y_len+8(FP); \
	CMPQ         y_len+8(FP), $256; \
	JGE          eight;             \
done: \
	VZEROUPPER; \
	RET
