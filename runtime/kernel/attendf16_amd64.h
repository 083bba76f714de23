// Attention of one token to a tile of float16 keys and values: two, four or six queries at once, as many as registers hold sums for, and the keys and
// values are widened in registers. Sums are added in the order of scores2AVX2 and addWeighted2AVX2.

// QUERY adds the products of eight numbers of a query at q with those of two keys in Y12 and Y13 to a and b.
#define QUERY(q, a, b) \
	VMOVUPS     q, Y14;      \
	VFMADD231PS Y12, Y14, a; \
	VFMADD231PS Y13, Y14, b

// QUERIES2, QUERIES4 and QUERIES6 do so for eight numbers from byte o on of queries at R11 and, three rows further, at R15. A row has R8 bytes.
#define QUERIES2(o) \
	VCVTPH2PS (o/2)(SI), Y12;         \
	VCVTPH2PS (o/2)(R9), Y13;         \
	QUERY(o(R11), Y0, Y1);            \
	QUERY(o(R11)(R8*1), Y2, Y3)

#define QUERIES4(o) \
	QUERIES2(o);                      \
	QUERY(o(R11)(R8*2), Y4, Y5);      \
	QUERY(o(R15), Y6, Y7)

#define QUERIES6(o) \
	QUERIES4(o);                      \
	QUERY(o(R15)(R8*1), Y8, Y9);      \
	QUERY(o(R15)(R8*2), Y10, Y11)

// HADD is VHADDPS b, a, a, which takes more instructions inside.
#define HADD(a, b) \
	VSHUFPS $0x88, b, a, Y12; \
	VSHUFPS $0xdd, b, a, Y13; \
	VADDPS  Y13, Y12, a

// SUMS stores the sums of the eight floats of each of a and b, two positions of a query, at r(DI), and those of c and d, of the next one, behind.
#define SUMS(a, xa, b, c, d, r) \
	HADD(a, b);                     \
	HADD(c, d);                     \
	HADD(a, c);                     \
	VEXTRACTF128 $1, a, X12;        \
	VADDPS       X12, xa, xa;       \
	VMOVLPS      xa, r(DI);         \
	VMOVHPS      xa, (r+128)(DI)

#define ZERO2 \
	VXORPS Y0, Y0, Y0; \
	VXORPS Y1, Y1, Y1; \
	VXORPS Y2, Y2, Y2; \
	VXORPS Y3, Y3, Y3

#define ZERO4 \
	ZERO2;             \
	VXORPS Y4, Y4, Y4; \
	VXORPS Y5, Y5, Y5; \
	VXORPS Y6, Y6, Y6; \
	VXORPS Y7, Y7, Y7

#define ZERO6 \
	ZERO4;                \
	VXORPS Y8, Y8, Y8;    \
	VXORPS Y9, Y9, Y9;    \
	VXORPS Y10, Y10, Y10; \
	VXORPS Y11, Y11, Y11

#define SUMS2 \
	SUMS(Y0, X0, Y1, Y2, Y3, 0)

#define SUMS4 \
	SUMS2;                       \
	SUMS(Y4, X4, Y5, Y6, Y7, 256)

#define SUMS6 \
	SUMS4;                       \
	SUMS(Y8, X8, Y9, Y10, Y11, 512)

// SCORES takes two positions at a time; of an odd number the last one twice. R10 is the bytes of a key.
#define SCORES(ZERO, QUERIES, SUM) \
	MOVQ dst+0(FP), DI;    \
	MOVQ q+8(FP), R12;     \
	MOVQ k+16(FP), SI;     \
	MOVQ n+24(FP), DX;     \
	MOVQ d+32(FP), R10;    \
	MOVQ ahead+40(FP), BX; \
	SHLQ $1, R10;          \
	LEAQ (R10)(R10*1), R8; \
positions: \
	LEAQ    (SI)(R10*1), R9;   \
	CMPQ    DX, $1;            \
	CMOVQEQ SI, R9;            \
	ZERO;                      \
	MOVQ    R12, R11;          \
	LEAQ    (R12)(R8*2), R15;  \
	ADDQ    R8, R15;           \
	MOVQ    R10, AX;           \
sixteen: \
	QUERIES(0);      \
	PREFETCHT1 (BX); \
	QUERIES(32);     \
	ADDQ $64, BX;    \
	ADDQ $32, SI;    \
	ADDQ $32, R9;    \
	ADDQ $64, R11;   \
	ADDQ $64, R15;   \
	SUBQ $32, AX;    \
	JNE  sixteen;    \
	SUM;             \
	MOVQ R9, SI;     \
	ADDQ $8, DI;     \
	SUBQ $2, DX;     \
	JGT  positions;  \
	VZEROUPPER;      \
	RET

// WEIGHT adds sixteen numbers of a value in Y12 and Y13, times the weight at p, to a and b.
#define WEIGHT(p, a, b) \
	VBROADCASTSS p, Y14;     \
	VFMADD231PS  Y14, Y12, a; \
	VFMADD231PS  Y14, Y13, b

// WEIGHTS2, WEIGHTS4 and WEIGHTS6 do so for the value at R9, whose weights are o bytes after R11 and, PositionTile floats further, each.
#define WEIGHTS2(o) \
	VCVTPH2PS (R9), Y12;          \
	VCVTPH2PS 16(R9), Y13;        \
	WEIGHT(o(R11), Y0, Y1);       \
	WEIGHT((o+128)(R11), Y2, Y3); \
	ADDQ      R10, R9

#define WEIGHTS4(o) \
	WEIGHTS2(o);                  \
	WEIGHT((o+256)(R11), Y4, Y5); \
	WEIGHT((o+384)(R11), Y6, Y7)

#define WEIGHTS6(o) \
	WEIGHTS4(o);                  \
	WEIGHT((o+512)(R11), Y8, Y9); \
	WEIGHT((o+640)(R11), Y10, Y11)

#define ROW(MOVE, row, a, b) \
	MOVE(row, 0, a);  \
	MOVE(row, 32, b)

#define LOAD(row, o, y) VMOVUPS o row, y
#define STORE(row, o, y) VMOVUPS y, o row

#define ROWS2(MOVE) \
	ROW(MOVE, (DI), Y0, Y1);        \
	ROW(MOVE, (DI)(R8*1), Y2, Y3)

#define ROWS4(MOVE) \
	ROWS2(MOVE);                    \
	ROW(MOVE, (DI)(R8*2), Y4, Y5);  \
	ROW(MOVE, (R15), Y6, Y7)

#define ROWS6(MOVE) \
	ROWS4(MOVE);                    \
	ROW(MOVE, (R15)(R8*1), Y8, Y9); \
	ROW(MOVE, (R15)(R8*2), Y10, Y11)

// ADD takes sixteen columns at a time: those of the rows at DI and, three rows further, at R15. R10 is the bytes of a value.
#define ADD(ROWS, WEIGHTS) \
	MOVQ out+0(FP), DI;       \
	MOVQ p+8(FP), R12;        \
	MOVQ v+16(FP), SI;        \
	MOVQ n+24(FP), DX;        \
	MOVQ d+32(FP), R10;       \
	MOVQ ahead+40(FP), BX;    \
	MOVQ R10, CX;             \
	SHLQ $1, R10;             \
	LEAQ (R10)(R10*1), R8;    \
	LEAQ (DI)(R8*2), R15;     \
	ADDQ R8, R15;             \
columns: \
	ROWS(LOAD);        \
	MOVQ  SI, R9;      \
	MOVQ  R12, R11;    \
	MOVQ  DX, AX;      \
	TESTQ $1, AX;      \
	JEQ   pair;        \
	WEIGHTS(0);        \
	ADDQ  $4, R11;     \
	DECQ  AX;          \
	JEQ   store;       \
pair: \
	WEIGHTS(0);        \
	PREFETCHT1 (BX);   \
	WEIGHTS(4);        \
	ADDQ  $64, BX;     \
	ADDQ  $8, R11;     \
	SUBQ  $2, AX;      \
	JNE   pair;        \
store: \
	ROWS(STORE);       \
	ADDQ  $64, DI;     \
	ADDQ  $64, R15;    \
	ADDQ  $32, SI;     \
	SUBQ  $16, CX;     \
	JNE   columns;     \
	VZEROUPPER;        \
	RET
