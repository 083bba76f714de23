// The frame of the kernels that multiply a group of rows with packed vectors (see packed.go) in registers of 256 bits, and what of it is for Q4_0. Kernels
// for Q8_0 include packedq8_amd64.h, too. A file that includes it defines
//
//	VECTOR(x, sum0, sum1, n0, n1), which adds the products of a line, unpacked in Y8-Y11, with four activations at x(DI) and at x+16(DI) to
//	sum0 (rows 0-7) and sum1 (rows 8-15), which are the registers Y(n0) and Y(n1). Y12-Y15 are scratch;
//	ADD(sum, d, y), which adds such sums, of weights with the scales d, to y(R12). Y13 is the vector's scale, Y15 is ones, Y10 scratch.

// AHEAD: see group_amd64.s.
#define AHEAD 2048

// UNPACKLINE stores the nibbles of a line at w(R11) as bytes at l(BX).
#define UNPACKLINE(w, l) \
	VMOVDQU    (w)(R11), Y8;     \
	VMOVDQU    (w+32)(R11), Y10; \
	UNPACK(Y8, Y9);              \
	UNPACK(Y10, Y11);            \
	VMOVDQU    Y8, (l)(BX);      \
	VMOVDQU    Y9, (l+32)(BX);   \
	VMOVDQU    Y10, (l+64)(BX);  \
	VMOVDQU    Y11, (l+96)(BX);  \
	PREFETCHT0 (w+AHEAD)(R11)

#define LINE(l, x) \
	VMOVDQU (l)(BX), Y8;          \
	VMOVDQU (l+32)(BX), Y9;       \
	VMOVDQU (l+64)(BX), Y10;      \
	VMOVDQU (l+96)(BX), Y11;      \
	VECTOR(x+0, Y0, Y1, 0, 1);    \
	VECTOR(x+32, Y2, Y3, 2, 3);   \
	VECTOR(x+64, Y4, Y5, 4, 5);   \
	VECTOR(x+96, Y6, Y7, 6, 7)

// UNPACKBLOCK unpacks the block at R11, and LINES multiplies what it unpacked.
#define UNPACKBLOCK \
	VPBROADCASTQ nibble<>(SB), Y15; \
	UNPACKLINE(0, 0);       \
	UNPACKLINE(64, 128);    \
	UNPACKLINE(128, 256);   \
	UNPACKLINE(192, 384)

#define LINES \
	LINE(0, 0);    \
	LINE(128, 4);  \
	LINE(256, 8);  \
	LINE(384, 12)

// PAIR is what two blocks take, SECOND where the quants of the second are.
#define PAIR 576
#define SECOND 320

#define START(k, sum0, sum1) \
	VPBROADCASTD (144+4*k)(DI), sum0; \
	VMOVDQA      sum0, sum1

#define FINISH(k, sum0, sum1) \
	VBROADCASTSS (128+4*k)(DI), Y13; \
	ADD(sum0, Y8, 64*k);             \
	ADD(sum1, Y9, 64*k+32)

// GROUP is a function of acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte. While it computes a block, it prefetches
// aheadBytes of what lies at ahead, if it is not nil. SI is the group from the current pair of blocks on, R9 the blocks that
// are left, R13 whether the next one is the second of a pair; DI are the packed vectors.
#define GROUP \
	MOVQ  acc+0(FP), AX;       \
	MOVQ  lines+8(FP), BX;     \
	MOVQ  group_base+16(FP), SI; \
	MOVQ  packed_base+40(FP), DI; \
	MOVQ  quads+64(FP), R8;    \
	MOVQ  blocks+72(FP), R9;   \
	MOVQ  ahead+80(FP), R14;   \
	XORQ  R13, R13;            \
	MOVQ  AX, R12;             \
	MOVQ  R8, CX;              \
	VPXOR Y0, Y0, Y0;          \
clear: \
	VMOVUPS Y0, 0(R12);   \
	VMOVUPS Y0, 32(R12);  \
	VMOVUPS Y0, 64(R12);  \
	VMOVUPS Y0, 96(R12);  \
	VMOVUPS Y0, 128(R12); \
	VMOVUPS Y0, 160(R12); \
	VMOVUPS Y0, 192(R12); \
	VMOVUPS Y0, 224(R12); \
	ADDQ    $256, R12;    \
	DECQ    CX;           \
	JNZ     clear;        \
block: \
	TESTQ R9, R9;  \
	JZ    done;    \
	TESTQ R13, R13; \
	JNZ   second;  \
	MOVQ  SI, R10; \
	LEAQ  32(SI), R11; \
	CMPQ  R9, $1;  \
	JE    unpack;  \
	LEAQ  64(SI), R11; \
	INCQ  R13;     \
	JMP   unpack;  \
second: \
	LEAQ  32(SI), R10;  \
	LEAQ  SECOND(SI), R11; \
	ADDQ  $PAIR, SI;    \
	XORQ  R13, R13;     \
unpack: \
	DECQ  R9; \
	UNPACKBLOCK;            \
	VCVTPH2PS (R10), Y8;    \
	VCVTPH2PS 16(R10), Y9;  \
	VMOVUPS   Y8, 512(BX);  \
	VMOVUPS   Y9, 544(BX);  \
	TESTQ R14, R14;         \
	JZ    start;            \
	PREFETCHT1 0(R14);      \
	PREFETCHT1 64(R14);     \
	PREFETCHT1 128(R14);    \
	PREFETCHT1 192(R14);    \
	PREFETCHT1 256(R14);    \
	PREFETCHT1 320(R14);    \
	PREFETCHT1 384(R14);    \
	PREFETCHT1 448(R14);    \
	PREFETCHT1 512(R14);    \
	ADDQ  $const_aheadBytes, R14; \
start: \
	MOVQ  AX, R12; \
	MOVQ  R8, CX;  \
quad: \
	START(0, Y0, Y1); \
	START(1, Y2, Y3); \
	START(2, Y4, Y5); \
	START(3, Y6, Y7); \
	LINES;         \
	VPBROADCASTQ ones<>(SB), Y15; \
	VMOVUPS 512(BX), Y8; \
	VMOVUPS 544(BX), Y9; \
	FINISH(0, Y0, Y1); \
	FINISH(1, Y2, Y3); \
	FINISH(2, Y4, Y5); \
	FINISH(3, Y6, Y7); \
	ADDQ  $160, DI;  \
	ADDQ  $256, R12; \
	DECQ  CX;        \
	JNZ   quad;      \
	JMP   block;     \
done: \
	VZEROUPPER; \
	RET
