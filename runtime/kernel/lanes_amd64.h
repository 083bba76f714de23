// What kernels for lanes share, and the frame of those in registers of 256 bits. A file that includes it for the latter defines MULTIPLY, which leaves
// the sums of the products of the lane's step at AX with the eight blocks in Y8-Y15, and the offset at 288(AX), in the longs of Y0. Y1-Y4 are scratch.

#include "transpose_amd64.h"

// places8: what lies at the places of a register of eight blocks (see lanes.go).
DATA places8<>+0(SB)/8, $0x0000000200000000
DATA places8<>+8(SB)/8, $0x0000000600000004
DATA places8<>+16(SB)/8, $0x0000000300000001
DATA places8<>+24(SB)/8, $0x0000000700000005
GLOBL places8<>(SB), RODATA|NOPTR, $32

// places16: the same of sixteen blocks; it is its own inverse.
DATA places16<>+0(SB)/8, $0x0000000400000000
DATA places16<>+8(SB)/8, $0x0000000c00000008
DATA places16<>+16(SB)/8, $0x0000000500000001
DATA places16<>+24(SB)/8, $0x0000000d00000009
DATA places16<>+32(SB)/8, $0x0000000600000002
DATA places16<>+40(SB)/8, $0x0000000e0000000a
DATA places16<>+48(SB)/8, $0x0000000700000003
DATA places16<>+56(SB)/8, $0x0000000f0000000b
GLOBL places16<>(SB), RODATA|NOPTR, $64

// TOKEN leaves where the products of the next token of R12 are stored, or of AX if there is none, in r.
#define TOKEN(r) \
	TZCNTQ  R12, r;   \
	CMOVQCS AX, r;    \
	SHLQ    $8, r;    \
	ADDQ    R13, r;   \
	BLSRQ   R12, R12

// SUM4 stores the products of the next four tokens of R12, whose sums are in Y0-Y3. Where there are fewer, those that nobody wants are stored first,
// where the first one's will be.
#define SUM4 \
	VHADDPS      Y1, Y0, Y0;  \
	VHADDPS      Y3, Y2, Y2;  \
	VHADDPS      Y2, Y0, Y0;  \
	VEXTRACTF128 $1, Y0, X1;  \
	VADDPS       X1, X0, X0;  \
	TZCNTQ       R12, AX;     \
	TOKEN(R8);                \
	TOKEN(R9);                \
	TOKEN(R10);               \
	TOKEN(R11);               \
	VEXTRACTPS   $3, X0, (R11); \
	VEXTRACTPS   $2, X0, (R10); \
	VEXTRACTPS   $1, X0, (R9);  \
	VMOVSS       X0, (R8)

// NIBBLES8 leaves the low nibbles of r in r, and its high ones in hi.
#define NIBBLES8(r, hi) \
	VPSRLW $4, r, hi; \
	VPAND  Y7, hi, hi; \
	VPAND  Y7, r, r

// UNPACK8Q4 unpacks the eight Q4_0 blocks at R8 to Y8-Y15. AX is the stride: the next row is prefetched. Y7 is nibble.
#define UNPACK8Q4 \
	VMOVDQU    0(R8), Y8;       \
	VMOVDQU    32(R8), Y9;      \
	VMOVDQU    64(R8), Y10;     \
	VMOVDQU    96(R8), Y11;     \
	PREFETCHT0 0(R8)(AX*1);     \
	PREFETCHT0 64(R8)(AX*1);    \
	TRANSPOSE(Y8, Y9, Y10, Y11, Y0, Y1, Y2); \
	NIBBLES8(Y8, Y12);          \
	NIBBLES8(Y9, Y13);          \
	NIBBLES8(Y10, Y14);         \
	NIBBLES8(Y11, Y15);         \
	ADDQ       $128, R8

// HALVES8 parts the two blocks at x(p): their first halves go to a, their second ones to b.
#define HALVES8(x, p, a, b, t) \
	VMOVDQU    (x)(p), t;              \
	VPERM2I128 $0x31, (x+32)(p), t, b; \
	VPERM2I128 $0x20, (x+32)(p), t, a

// LANES is a function of dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64,
// with 8 bytes of stack: what a lane takes.
//
// Eight blocks of a row are unpacked to Y8-Y15, their scales to Y6, and multiplied with one token after the other; then the next ones are. Y7 is mask, which
// UNPACK wants, and Y5 ones. Between the steps of a row stay:
//
//	BX   the row's mask
//	SI   its quants, CX its scales; R8 and R9 where the next blocks of these begin
//	DX   the blocks that are left
//	R11  the lane of token 0, at these
//	R12  the tokens that are left of those that the row is multiplied with
//	R13  where the row's product with token 0 is stored
//	DI   where the sums are; R15 those of the present token
//
// rows+32(FP) counts down.
#define LANES(UNPACK, mask) \
	MOVQ         dots+0(FP), R13;        \
	MOVQ         quants+8(FP), SI;       \
	MOVQ         scales+16(FP), CX;      \
	MOVQ         masks+40(FP), BX;       \
	MOVQ         scratch+64(FP), DI;     \
	ADDQ         $const_dotsSums, DI;    \
	VPBROADCASTQ mask<>(SB), Y7;         \
	VPBROADCASTQ ones<>(SB), Y5;         \
	MOVQ         blocks+56(FP), AX;      \
	SHRQ         $3, AX;                 \
	IMULQ        $const_lane8, AX;       \
	MOVQ         AX, lane-8(SP);         \
row:                                     \
	MOVQ         (BX), R12;              \
	ANDQ         tokens+72(FP), R12;     \
	JZ           next;                   \
	MOVQ         blocks+56(FP), DX;      \
	MOVQ         SI, R8;                 \
	MOVQ         CX, R9;                 \
	MOVQ         lanes+48(FP), R11;      \
step:                                    \
	MOVQ         stride+24(FP), AX;      \
	UNPACK;                              \
	VMOVDQU      places8<>(SB), Y4;      \
	VCVTPH2PS    (R9), Y6;               \
	VPERMPS      Y6, Y4, Y6;             \
	ADDQ         $16, R9;                \
	MOVQ         (BX), R12;              \
	ANDQ         tokens+72(FP), R12;     \
	MOVQ         DI, R15;                \
	CMPQ         R11, lanes+48(FP);      \
	JNE          token;                  \
first:                                   \
	TZCNTQ       R12, AX;                \
	IMULQ        lane-8(SP), AX;         \
	ADDQ         R11, AX;                \
	MULTIPLY;                            \
	VMULPS       256(AX), Y6, Y4;        \
	VCVTDQ2PS    Y0, Y0;                 \
	VMULPS       Y4, Y0, Y0;             \
	VMOVUPS      Y0, (R15);              \
	ADDQ         $32, R15;               \
	BLSRQ        R12, R12;               \
	JNZ          first;                  \
	JMP          multiplied;             \
token:                                   \
	TZCNTQ       R12, AX;                \
	IMULQ        lane-8(SP), AX;         \
	ADDQ         R11, AX;                \
	MULTIPLY;                            \
	VMULPS       256(AX), Y6, Y4;        \
	VCVTDQ2PS    Y0, Y0;                 \
	VFMADD213PS  (R15), Y4, Y0;          \
	VMOVUPS      Y0, (R15);              \
	ADDQ         $32, R15;               \
	BLSRQ        R12, R12;               \
	JNZ          token;                  \
multiplied:                              \
	ADDQ         $const_lane8, R11;      \
	SUBQ         $8, DX;                 \
	JNZ          step;                   \
	MOVQ         (BX), R12;              \
	ANDQ         tokens+72(FP), R12;     \
	MOVQ         DI, R15;                \
four:                                    \
	VMOVUPS      0(R15), Y0;             \
	VMOVUPS      32(R15), Y1;            \
	VMOVUPS      64(R15), Y2;            \
	VMOVUPS      96(R15), Y3;            \
	SUM4;                                \
	ADDQ         $128, R15;              \
	TESTQ        R12, R12;               \
	JNZ          four;                   \
next:                                    \
	ADDQ         $8, BX;                 \
	ADDQ         $4, R13;                \
	ADDQ         stride+24(FP), SI;      \
	ADDQ         stride+24(FP), CX;      \
	DECQ         rows+32(FP);            \
	JNZ          row;                    \
	VZEROUPPER;                          \
	RET
