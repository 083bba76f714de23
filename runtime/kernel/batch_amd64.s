//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "dotx4_amd64.h"

// VECTOR: see dotx4_amd64.h.
#define VECTOR(x, s, acc, t, nt, f, nf) \
	VPMADDUBSW   x, Y0, t;     \
	VPMADDWD     Y14, t, t;    \
	VCVTDQ2PS    t, t;         \
	VBROADCASTSS (s)(SP), f;   \
	VFMADD231PS  f, t, acc

// func dotQ4x4AVX2(dots *[4]float32, quants, scales []byte, x *[4]vector)
TEXT ·dotQ4x4AVX2(SB), NOSPLIT, $128-64
	DOTS

// func addTileAVX2(y []float32, tokens int, s *batch)
//
// R8 is the token, whose factors are at BX, and end at DX. Where a row is, which is AX, is known one row ahead: its loads need not wait for that. What
// follows the last factor is loaded, but not used.
TEXT ·addTileAVX2(SB), NOSPLIT, $0-40
	MOVQ y_base+0(FP), DI
	MOVQ tokens+24(FP), R10
	MOVQ s+32(FP), R11
	LEAQ batch_tile(R11), SI
	LEAQ batch_factors(R11), R12
	XORQ R8, R8

token:
	CMPQ       R8, R10
	JGE        end
	MOVLQSX    batch_start(R11)(R8*4), BX
	MOVLQSX    batch_end(R11)(R8*4), DX
	LEAQ       (R12)(BX*8), BX
	LEAQ       (R12)(DX*8), DX
	CMPQ       BX, DX
	JEQ        next
	VMOVUPS    0(DI), Y0
	VMOVUPS    32(DI), Y1
	VMOVUPS    64(DI), Y2
	VMOVUPS    96(DI), Y3
	VMOVUPS    128(DI), Y4
	VMOVUPS    160(DI), Y5
	VMOVUPS    192(DI), Y6
	VMOVUPS    224(DI), Y7
	PREFETCHT0 512(DI)
	PREFETCHT0 576(DI)
	PREFETCHT0 640(DI)
	PREFETCHT0 704(DI)
	MOVLQSX    factor_at(BX), AX

row:
	MOVLQSX      (factor__size+factor_at)(BX), CX
	VBROADCASTSS factor_h(BX), Y8
	VFMADD231PS  0(SI)(AX*4), Y8, Y0
	VFMADD231PS  32(SI)(AX*4), Y8, Y1
	VFMADD231PS  64(SI)(AX*4), Y8, Y2
	VFMADD231PS  96(SI)(AX*4), Y8, Y3
	VFMADD231PS  128(SI)(AX*4), Y8, Y4
	VFMADD231PS  160(SI)(AX*4), Y8, Y5
	VFMADD231PS  192(SI)(AX*4), Y8, Y6
	VFMADD231PS  224(SI)(AX*4), Y8, Y7
	MOVQ         CX, AX
	ADDQ         $factor__size, BX
	CMPQ         BX, DX
	JNE          row
	VMOVUPS      Y0, 0(DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	VMOVUPS      Y4, 128(DI)
	VMOVUPS      Y5, 160(DI)
	VMOVUPS      Y6, 192(DI)
	VMOVUPS      Y7, 224(DI)

next:
	ADDQ $(4*const_tileCols), DI
	INCQ R8
	JMP  token

end:
	VZEROUPPER
	RET

#define EIGHT(k) \
	VMOVUPS   (32*k)(SI), Y0;   \
	VCMPPS    $0x1e, Y15, Y0, Y0; \
	VMOVMSKPS Y0, AX;           \
	SHLQ      $(8*k), AX;       \
	ORQ       AX, BX

// func positiveAVX2(masks *[64]uint64, gates []float32)
TEXT ·positiveAVX2(SB), NOSPLIT, $0-32
	MOVQ   masks+0(FP), DI
	MOVQ   gates_base+8(FP), SI
	MOVQ   gates_len+16(FP), CX
	VXORPS Y15, Y15, Y15
	SHRQ   $6, CX
	JZ     done

token:
	XORQ BX, BX
	EIGHT(0)
	EIGHT(1)
	EIGHT(2)
	EIGHT(3)
	EIGHT(4)
	EIGHT(5)
	EIGHT(6)
	EIGHT(7)
	MOVQ BX, (DI)
	ADDQ $8, DI
	ADDQ $256, SI
	DECQ CX
	JNZ  token

done:
	VZEROUPPER
	RET

// tops: the upper bytes of the bfloat16 numbers -8 to 7, and nexts: the lower ones. A bfloat16 is the upper half of a float32.
DATA tops<>+0(SB)/8, $0xbfc0c0c0c0c0c0c1
DATA tops<>+8(SB)/8, $0x4040404040403f00
GLOBL tops<>(SB), RODATA|NOPTR, $16
DATA nexts<>+0(SB)/8, $0x80004080a0c0e000
DATA nexts<>+8(SB)/8, $0xe0c0a08040008000
GLOBL nexts<>(SB), RODATA|NOPTR, $16

// fours: the order of a block's bytes in which pairs of unpacked ones end up in the order of columns.
DATA fours<>+0(SB)/8, $0x0b0a090803020100
DATA fours<>+8(SB)/8, $0x0b0a090803020100
DATA fours<>+16(SB)/8, $0x0f0e0d0c07060504
DATA fours<>+24(SB)/8, $0x0f0e0d0c07060504
GLOBL fours<>(SB), RODATA|NOPTR, $32

// uppers: the shifts that leave a block's high nibbles in every second word of 64 bits.
DATA uppers<>+0(SB)/8, $0
DATA uppers<>+8(SB)/8, $4
DATA uppers<>+16(SB)/8, $0
DATA uppers<>+24(SB)/8, $4
GLOBL uppers<>(SB), RODATA|NOPTR, $32

// DECODE decodes the block at w(R8), whose scale is in d, to y(DI): it looks up the upper bytes of the floats -8 to 7, whose lower ones are 0.
#define DECODE(w, d, y) \
	VBROADCASTI128 (w)(R8), Y0;    \
	VPSHUFB        Y11, Y0, Y0;    \
	VPSRLVQ        Y10, Y0, Y0;    \
	VPAND          Y15, Y0, Y0;    \
	VPSHUFB        Y0, Y13, Y1;    \
	VPSHUFB        Y0, Y12, Y2;    \
	VPUNPCKLBW     Y1, Y2, Y3;     \
	VPUNPCKHBW     Y1, Y2, Y4;     \
	VPUNPCKLWD     Y3, Y14, Y5;    \
	VPUNPCKHWD     Y3, Y14, Y6;    \
	VPUNPCKLWD     Y4, Y14, Y7;    \
	VPUNPCKHWD     Y4, Y14, Y0;    \
	VMULPS         d, Y5, Y5;      \
	VMULPS         d, Y6, Y6;      \
	VMULPS         d, Y7, Y7;      \
	VMULPS         d, Y0, Y0;      \
	VMOVUPS        Y5, (y)(DI);    \
	VMOVUPS        Y6, (y+32)(DI); \
	VMOVUPS        Y7, (y+64)(DI); \
	VMOVUPS        Y0, (y+96)(DI)

// func decodeRowsQ4AVX2(dst []float32, quants, scales []byte, stride int, rows []int32, last int) bool
TEXT ·decodeRowsQ4AVX2(SB), NOSPLIT, $0-113
	MOVQ         dst_base+0(FP), DI
	MOVQ         quants_base+24(FP), BX
	MOVQ         scales_base+48(FP), CX
	MOVQ         stride+72(FP), DX
	MOVQ         rows_base+80(FP), SI
	MOVQ         rows_len+88(FP), AX
	MOVQ         last+104(FP), R10
	MOVB         $0, ret+112(FP)
	VPBROADCASTQ nibble<>(SB), Y15
	VPXOR        Y14, Y14, Y14
	VBROADCASTI128 tops<>(SB), Y13
	VBROADCASTI128 nexts<>(SB), Y12
	VMOVDQU      fours<>(SB), Y11
	VMOVDQU      uppers<>(SB), Y10
	TESTQ        AX, AX
	JZ           done

row:
	MOVL  (SI), R8
	IMULQ DX, R8
	CMPQ  R8, R10
	JHI   beyond
	LEAQ  (CX)(R8*1), R9
	ADDQ  BX, R8
	VPBROADCASTD (R9), X8       // the scales of two blocks, in turn
	VCVTPH2PS X8, Y8
	VMOVSHDUP Y8, Y9
	VMOVSLDUP Y8, Y8
	DECODE(0, Y8, 0)
	DECODE(16, Y9, 128)
	ADDQ  $256, DI
	ADDQ  $4, SI
	DECQ  AX
	JNZ   row

done:
	MOVB $1, ret+112(FP)

beyond:
	VZEROUPPER
	RET
