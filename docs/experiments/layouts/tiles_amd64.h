// What the AVX2 kernels that multiply tiles by a vector share.

// HALFLINE adds the products of half a line, 8 rows at q(SI), to the words
// of sum. Y8 and Y9 are the values that meet the low and the high nibbles.
#define HALFLINE(q, lo, hi, sum) \
	VMOVDQU    (q)(SI), lo;  \
	UNPACK(lo, hi);          \
	VPMADDUBSW Y8, lo, lo;   \
	VPMADDUBSW Y9, hi, hi;   \
	VPADDW     lo, sum, sum; \
	VPADDW     hi, sum, sum

// LINE adds the products of the line at q(SI) to the words of Y10 and Y11. Its
// values are at x(DI).
#define LINE(q, x) \
	VPBROADCASTD (x)(DI), Y8;      \
	VPBROADCASTD (x+16)(DI), Y9;   \
	HALFLINE(q, Y0, Y1, Y10);      \
	HALFLINE(q+32, Y2, Y3, Y11)

// BLOCK adds the products of the tile at q(SI), whose scales are at d0 and d1,
// to the sums of the rows, Y12 and Y13. The block's values are at x(DI), its
// scale and its offset at s(R13) and s(DX). Y15 is nibble, Y14 ones.
#define BLOCK(q, d0, d1, x, s) \
	VPXOR        Y10, Y10, Y10; \
	VPXOR        Y11, Y11, Y11; \
	LINE(q, x);                 \
	LINE(q+64, x+4);            \
	LINE(q+128, x+8);           \
	LINE(q+192, x+12);          \
	VPMADDWD     Y14, Y10, Y10; \
	VPMADDWD     Y14, Y11, Y11; \
	VPBROADCASTD (s)(DX), Y0;   \
	VPSUBD       Y0, Y10, Y10;  \
	VPSUBD       Y0, Y11, Y11;  \
	VCVTDQ2PS    Y10, Y10;      \
	VCVTDQ2PS    Y11, Y11;      \
	VBROADCASTSS (s)(R13), Y1;  \
	VCVTPH2PS    d0, Y2;        \
	VCVTPH2PS    d1, Y3;        \
	VMULPS       Y1, Y2, Y2;    \
	VMULPS       Y1, Y3, Y3;    \
	VFMADD231PS  Y2, Y10, Y12;  \
	VFMADD231PS  Y3, Y11, Y13
