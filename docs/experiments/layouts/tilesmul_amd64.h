// What the AVX2 kernels that multiply tiles by a batch of vectors share. They
// take four vectors at a time.

// VECTOR adds the products of a line, unpacked in Y8-Y11, with the values at
// x(DI) to the words of sum0 (rows 0-7) and sum1 (rows 8-15).
#define VECTOR(x, sum0, sum1) \
	VPBROADCASTD (x)(DI), Y12;     \
	VPBROADCASTD (x+16)(DI), Y13;  \
	VPMADDUBSW   Y12, Y8, Y14;     \
	VPADDW       Y14, sum0, sum0;  \
	VPMADDUBSW   Y13, Y9, Y14;     \
	VPADDW       Y14, sum0, sum0;  \
	VPMADDUBSW   Y12, Y10, Y14;    \
	VPADDW       Y14, sum1, sum1;  \
	VPMADDUBSW   Y13, Y11, Y14;    \
	VPADDW       Y14, sum1, sum1

// LINE adds the products of the line at q(SI) to the words of Y0-Y7, two
// registers a vector. The first vector's values are at x(DI).
#define LINE(q, x) \
	VMOVDQU (q)(SI), Y8;     \
	VMOVDQU (q+32)(SI), Y10; \
	UNPACK(Y8, Y9);          \
	UNPACK(Y10, Y11);        \
	VECTOR(x, Y0, Y1);       \
	VECTOR(x+32, Y2, Y3);    \
	VECTOR(x+64, Y4, Y5);    \
	VECTOR(x+96, Y6, Y7)

// ADD scales the words of sum, whose weight scales are w, and adds them to y.
// Y12 and Y13 are the vector's offset and scale.
#define ADD(sum, w, y) \
	VPMADDWD    ones<>(SB), sum, sum; \
	VPSUBD      Y12, sum, sum;        \
	VCVTDQ2PS   sum, sum;             \
	VMULPS      Y13, sum, sum;        \
	VFMADD213PS y, w, sum;            \
	VMOVUPS     sum, y

// FINISH adds the sums of the vector with its scale and offset at s(R13) and
// s(DX) to y0 and y1.
#define FINISH(s, sum0, sum1, y0, y1) \
	VPBROADCASTD (s)(DX), Y12;  \
	VBROADCASTSS (s)(R13), Y13; \
	ADD(sum0, Y8, y0);          \
	ADD(sum1, Y9, y1)

// BLOCK adds the products of the tile at q(SI), whose scales are at d0 and d1,
// to the vectors' y at (R8), R9 bytes apart; R10 is the third. The first
// vector's values are at x(DI), its scale and its offset at s(R13) and s(DX).
// Y15 is nibble.
#define BLOCK(q, d0, d1, x, s) \
	VPXOR     Y0, Y0, Y0;                                 \
	VPXOR     Y1, Y1, Y1;                                 \
	VPXOR     Y2, Y2, Y2;                                 \
	VPXOR     Y3, Y3, Y3;                                 \
	VPXOR     Y4, Y4, Y4;                                 \
	VPXOR     Y5, Y5, Y5;                                 \
	VPXOR     Y6, Y6, Y6;                                 \
	VPXOR     Y7, Y7, Y7;                                 \
	LINE(q, x);                                           \
	LINE(q+64, x+4);                                      \
	LINE(q+128, x+8);                                     \
	LINE(q+192, x+12);                                    \
	VCVTPH2PS d0, Y8;                                     \
	VCVTPH2PS d1, Y9;                                     \
	FINISH(s, Y0, Y1, (R8), 32(R8));                      \
	FINISH(s+4, Y2, Y3, (R8)(R9*1), 32(R8)(R9*1));        \
	FINISH(s+8, Y4, Y5, (R10), 32(R10));                  \
	FINISH(s+12, Y6, Y7, (R10)(R9*1), 32(R10)(R9*1))
