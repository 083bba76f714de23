// What the kernels share that add the down rows of a batch as words (see words.go).

// least: wordLeast; most: wordMost; one: 1.
DATA least<>+0(SB)/4, $0x0da24260
GLOBL least<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x46fffe00
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA one<>+0(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4

// FACTORS begins a function of rows *int32, factors *byte, stride int, gates, dots *float32, weight float32, mask uint64, scales *float32, blocks int and
// the result unit float32: it makes dots gates times products times weight, as far as a gate is active, relative to the largest, which it stores. Y13
// has all bits but the sign. It leaves in R8 rows, R9 factors, R10 stride, BX mask, DX scales, R11 blocks, DI dots and R12 a neuron that is not active.
#define FACTORS \
	MOVQ     gates+24(FP), SI;           \
	MOVQ     dots+32(FP), DI;            \
	VBROADCASTSS weight+40(FP), Y15;     \
	VPXOR    Y14, Y14, Y14;              \
	VPCMPEQD Y13, Y13, Y13;              \
	VPSRLD   $1, Y13, Y13;               \
	VBROADCASTSS least<>(SB), Y12;       \
	MOVQ     $const_chunkRows, CX;       \
eight: \
	VMOVUPS (SI), Y0;                    \
	VMULPS  (DI), Y0, Y1;                \
	VMULPS  Y15, Y1, Y1;                 \
	VCMPPS  $0x11, Y0, Y14, Y2;          \
	VANDPS  Y2, Y1, Y1;                  \
	VMOVUPS Y1, (DI);                    \
	VPAND   Y13, Y1, Y1;                 \
	VPMAXUD Y1, Y12, Y12;                \
	ADDQ    $32, SI;                     \
	ADDQ    $32, DI;                     \
	SUBQ    $8, CX;                      \
	JNZ     eight;                       \
	VEXTRACTI128 $1, Y12, X0;            \
	VPMAXUD X0, X12, X12;                \
	VPSHUFD $0x4e, X12, X0;              \
	VPMAXUD X0, X12, X12;                \
	VPSHUFD $0xb1, X12, X0;              \
	VPMAXUD X0, X12, X12;                \
	VMOVSS  most<>(SB), X1;              \
	VDIVSS  X1, X12, X2;                 \
	VMOVSS  X2, unit+72(FP);             \
	VDIVSS  X12, X1, X1;                 \
	VBROADCASTSS X1, Y15;                \
	SUBQ    $(4*const_chunkRows), DI;    \
	MOVQ    $const_chunkRows, CX;        \
relative: \
	VMULPS  -32(DI)(CX*4), Y15, Y0;      \
	VMOVUPS Y0, -32(DI)(CX*4);           \
	SUBQ    $8, CX;                      \
	JNZ     relative;                    \
	MOVQ    rows+0(FP), R8;              \
	MOVQ    factors+8(FP), R9;           \
	MOVQ    stride+16(FP), R10;          \
	MOVQ    mask+48(FP), BX;             \
	MOVQ    scales+56(FP), DX;           \
	MOVQ    blocks+64(FP), R11;          \
	MOVQ    BX, R12;                     \
	NOTQ    R12;                         \
	TZCNTQ  R12, R12

// NEXTPAIR takes the next two neurons from BX: what their dots are is broadcast to Y0 and Y1, and AX and CX are where their scales begin. It stores where
// their rows are. SI becomes where the factors of the first tile go, and R13 the number of blocks.
#define NEXTPAIR \
	TZCNTQ  BX, AX;                      \
	BLSRQ   BX, BX;                      \
	TZCNTQ  BX, CX;                      \
	CMOVQCS R12, CX;                     \
	BLSRQ   BX, BX;                      \
	VBROADCASTSS (DI)(AX*4), Y0;         \
	VBROADCASTSS (DI)(CX*4), Y1;         \
	IMUL3Q  $const_wordsOfRow, AX, R13;  \
	MOVL    R13, 0(R8);                  \
	IMUL3Q  $const_wordsOfRow, CX, R13;  \
	MOVL    R13, 4(R8);                  \
	ADDQ    $8, R8;                      \
	IMULQ   R11, AX;                     \
	IMULQ   R11, CX;                     \
	LEAQ    (DX)(AX*4), AX;              \
	LEAQ    (DX)(CX*4), CX;              \
	MOVQ    R9, SI;                      \
	MOVQ    R11, R13

// TILE is a function of tile *int16, quants *byte, stride int, used uint64, whose BLOCKS decodes the columns of a row at R8 to R10.
#define TILE(BLOCKS) \
	MOVQ tile+0(FP), DI;    \
	MOVQ quants+8(FP), SI;  \
	MOVQ stride+16(FP), CX; \
	MOVQ used+24(FP), BX;   \
row: \
	TZCNTQ BX, AX;          \
	BLSRQ  BX, BX;          \
	IMUL3Q $const_wordsOfRow, AX, R10; \
	IMULQ  CX, AX;          \
	ADDQ   DI, R10;         \
	LEAQ   (SI)(AX*1), R8;  \
	BLOCKS;                 \
	TESTQ  BX, BX;          \
	JNZ    row;             \
	VZEROUPPER;             \
	RET

// The frame of the kernels that add a tile's rows to a batch's outputs, in registers of 256 bits. A file that includes it for that
// defines ADDPAIR(f, w, sum, nf, nw, nsum), which adds to the register sum the products of the words in w, of two rows in turn, with the factors in f, the
// same two in every long; it may overwrite w. The last three arguments are the numbers of these registers.

// QUARTER adds half of a block, which lies at o in the rows at AX and CX of the tile, times the factors in f, to sum0 and sum1.
#define QUARTER(o, f, sum0, sum1, nf, n0, n1) \
	VMOVDQU    (o)(SI)(AX*1), Y10; \
	VMOVDQU    (o)(SI)(CX*1), Y11; \
	VPUNPCKLWD Y11, Y10, Y12;      \
	VPUNPCKHWD Y11, Y10, Y13;      \
	ADDPAIR(f, Y12, sum0, nf, 12, n0); \
	ADDPAIR(f, Y13, sum1, nf, 13, n1)

// OUT adds the sums in register y, times the unit, to the outputs at o(DI).
#define OUT(y, unit, o) \
	VCVTDQ2PS y, y;         \
	VMULPS    unit, y, y;   \
	VADDPS    (o)(DI), y, y; \
	VMOVUPS   y, (o)(DI)

// HALF adds two blocks of the tile, those of the half h, to a token's outputs. Its pairs are from R8 to DX, their factors from R9 on. Y15 is its unit.
#define HALF(h, pair) \
	MOVQ  R8, BX;     \
	MOVQ  R9, R13;    \
	VPXOR Y0, Y0, Y0; \
	VPXOR Y1, Y1, Y1; \
	VPXOR Y2, Y2, Y2; \
	VPXOR Y3, Y3, Y3; \
	VPXOR Y4, Y4, Y4; \
	VPXOR Y5, Y5, Y5; \
	VPXOR Y6, Y6, Y6; \
	VPXOR Y7, Y7, Y7; \
pair: \
	MOVQ         (BX), CX;            \
	MOVL         CX, AX;              \
	SHRQ         $32, CX;             \
	VPBROADCASTD (8*h)(R13), Y8;      \
	VPBROADCASTD (8*h+4)(R13), Y9;    \
	QUARTER(128*h, Y8, Y0, Y1, 8, 0, 1);          \
	QUARTER(128*h+32, Y8, Y2, Y3, 8, 2, 3);       \
	QUARTER(128*h+64, Y9, Y4, Y5, 9, 4, 5);       \
	QUARTER(128*h+96, Y9, Y6, Y7, 9, 6, 7);       \
	ADDQ         $8, BX;              \
	ADDQ         $const_wordsOfPair, R13; \
	CMPQ         BX, DX;              \
	JNE          pair;                \
	VBROADCASTSS (8*h)(R14), Y8;      \
	VBROADCASTSS (8*h+4)(R14), Y9;    \
	VMULPS       Y15, Y8, Y8;         \
	VMULPS       Y15, Y9, Y9;         \
	OUT(Y0, Y8, 256*h);               \
	OUT(Y2, Y8, 256*h+32);            \
	OUT(Y1, Y8, 256*h+64);            \
	OUT(Y3, Y8, 256*h+96);            \
	OUT(Y4, Y9, 256*h+128);           \
	OUT(Y6, Y9, 256*h+160);           \
	OUT(Y5, Y9, 256*h+192);           \
	OUT(Y7, Y9, 256*h+224)

// TOKENS is a function of y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32, whose TOKEN adds to the outputs of the
// token at DI. It moves R13 behind its factors.
#define TOKENS(TOKEN) \
	MOVQ tile+8(FP), SI;         \
	MOVQ rows+16(FP), R8;        \
	MOVQ factors+24(FP), R9;     \
	MOVQ shares_base+32(FP), R10; \
	MOVQ shares_len+40(FP), R11; \
	MOVQ units+56(FP), R12;      \
	MOVQ tops+64(FP), R14;       \
	DECQ R11;                    \
token: \
	MOVLQSX share_token(R10), DI; \
	IMUL3Q  $(4*const_wordCols), DI, DI; \
	ADDQ    y+0(FP), DI;         \
	MOVLQSX (share__size+share_token)(R10), CX; \
	IMUL3Q  $(4*const_wordCols), CX, CX; \
	ADDQ    y+0(FP), CX;         \
	MOVLQSX (share__size+share_first)(R10), DX; \
	MOVLQSX share_first(R10), AX; \
	SUBQ    AX, DX;              \
	LEAQ    (R8)(DX*8), DX;      \
	PREFETCHT0 0(CX);            \
	PREFETCHT0 64(CX);           \
	PREFETCHT0 128(CX);          \
	PREFETCHT0 192(CX);          \
	PREFETCHT0 256(CX);          \
	PREFETCHT0 320(CX);          \
	PREFETCHT0 384(CX);          \
	PREFETCHT0 448(CX);          \
	TOKEN;                       \
	MOVQ DX, R8;                 \
	MOVQ R13, R9;                \
	ADDQ $share__size, R10;      \
	ADDQ $4, R12;                \
	DECQ R11;                    \
	JNZ  token;                  \
	VZEROUPPER;                  \
	RET

#define HALVES \
	VBROADCASTSS (R12), Y15; \
	HALF(0, pair0);          \
	HALF(1, pair1)
