// Vector instructions that Go's assembler lacks, or that macros use with registers given as numbers: operands are in the
// order of the Arm manual, destination first. Arrangements are of 128 bits where nothing else is said.

#define OP3(op, d, n, m) WORD $((op) | (m)<<16 | (n)<<5 | (d))
#define OP2(op, d, n)    WORD $((op) | (n)<<5 | (d))

// OP3E is OP3 with element i (of 32 bits) of Vm.
#define OP3E(op, d, n, m, i) WORD $((op) | ((i)&1)<<21 | (m)<<16 | ((i)>>1)<<11 | (n)<<5 | (d))

// OP3H is OP3 with element i (of 16 bits) of Vm, m < 16.
#define OP3H(op, d, n, m, i) WORD $((op) | ((i)&3)<<20 | (m)<<16 | ((i)>>2)<<11 | (n)<<5 | (d))

// Bits and permutations.
#define ANDB(d, n, m)    OP3(0x4e201c00, d, n, m) // AND Vd.16B, Vn.16B, Vm.16B
#define ORRB(d, n, m)    OP3(0x4ea01c00, d, n, m) // ORR Vd.16B, Vn.16B, Vm.16B
#define EORB(d, n, m)    OP3(0x6e201c00, d, n, m) // EOR Vd.16B, Vn.16B, Vm.16B
#define BICB(d, n, m)    OP3(0x4e601c00, d, n, m) // BIC Vd.16B, Vn.16B, Vm.16B
#define BSLB(d, n, m)    OP3(0x6e601c00, d, n, m) // BSL Vd.16B, Vn.16B, Vm.16B
#define MOVB(d, n)       OP3(0x4ea01c00, d, n, n) // ORR Vd.16B, Vn.16B, Vn.16B
#define ZERO(d)         OP2(0x6f00e400, d, 0)    // MOVI Vd.2D, #0
#define DUPS(d, n, i)   OP3(0x4e040400, d, n, 8*(i)) // DUP Vd.4S, Vn.S[i]
#define TBL(d, n, m)    OP3(0x4e000000, d, n, m) // TBL Vd.16B, {Vn.16B}, Vm.16B
#define ZIP1B(d, n, m)  OP3(0x4e003800, d, n, m) // ZIP1 Vd.16B, Vn.16B, Vm.16B
#define ZIP2B(d, n, m)  OP3(0x4e007800, d, n, m) // ZIP2 Vd.16B, Vn.16B, Vm.16B
#define ZIP1H(d, n, m)  OP3(0x4e403800, d, n, m) // ZIP1 Vd.8H, Vn.8H, Vm.8H
#define ZIP2H(d, n, m)  OP3(0x4e407800, d, n, m) // ZIP2 Vd.8H, Vn.8H, Vm.8H
#define ZIP1S(d, n, m)  OP3(0x4e803800, d, n, m) // ZIP1 Vd.4S, Vn.4S, Vm.4S
#define ZIP2S(d, n, m)  OP3(0x4e807800, d, n, m) // ZIP2 Vd.4S, Vn.4S, Vm.4S
#define ZIP1D(d, n, m)  OP3(0x4ec03800, d, n, m) // ZIP1 Vd.2D, Vn.2D, Vm.2D
#define ZIP2D(d, n, m)  OP3(0x4ec07800, d, n, m) // ZIP2 Vd.2D, Vn.2D, Vm.2D
#define USHR4B(d, n)    OP2(0x6f0c0400, d, n)    // USHR Vd.16B, Vn.16B, #4
#define SHL3S(d, n)     OP2(0x4f235400, d, n)    // SHL Vd.4S, Vn.4S, #3
#define SHL8S(d, n)     OP2(0x4f285400, d, n)    // SHL Vd.4S, Vn.4S, #8
#define SHL23S(d, n)    OP2(0x4f375400, d, n)    // SHL Vd.4S, Vn.4S, #23
#define SSHR1S(d, n)    OP2(0x4f3f0400, d, n)    // SSHR Vd.4S, Vn.4S, #1
#define SSHR31S(d, n)   OP2(0x4f210400, d, n)    // SSHR Vd.4S, Vn.4S, #31
#define SHL4B(d, n)     OP2(0x4f0c5400, d, n)    // SHL Vd.16B, Vn.16B, #4

// Integers.
#define SDOT(d, n, m)     OP3(0x4e809400, d, n, m)     // SDOT Vd.4S, Vn.16B, Vm.16B
#define SDOTE(d, n, m, i) OP3E(0x4f80e000, d, n, m, i) // SDOT Vd.4S, Vn.16B, Vm.4B[i]
#define SMMLA(d, n, m)    OP3(0x4e80a400, d, n, m)     // SMMLA Vd.4S, Vn.16B, Vm.16B
#define SMULL(d, n, m)    OP3(0x0e20c000, d, n, m)     // SMULL Vd.8H, Vn.8B, Vm.8B
#define SMULL2(d, n, m)   OP3(0x4e20c000, d, n, m)     // SMULL2 Vd.8H, Vn.16B, Vm.16B
#define SMLAL(d, n, m)    OP3(0x0e208000, d, n, m)     // SMLAL Vd.8H, Vn.8B, Vm.8B
#define SMLAL2(d, n, m)   OP3(0x4e208000, d, n, m)     // SMLAL2 Vd.8H, Vn.16B, Vm.16B
#define SMLALE(d, n, m, i)  OP3H(0x0f402000, d, n, m, i) // SMLAL Vd.4S, Vn.4H, Vm.H[i]
#define SMLAL2E(d, n, m, i) OP3H(0x4f402000, d, n, m, i) // SMLAL2 Vd.4S, Vn.8H, Vm.H[i]
#define ADDPH(d, n, m)    OP3(0x4e60bc00, d, n, m)     // ADDP Vd.8H, Vn.8H, Vm.8H
#define ADDPS(d, n, m)    OP3(0x4ea0bc00, d, n, m)     // ADDP Vd.4S, Vn.4S, Vm.4S
#define MLSS(d, n, m)     OP3(0x6ea09400, d, n, m)     // MLS Vd.4S, Vn.4S, Vm.4S
#define ADDS4(d, n, m)    OP3(0x4ea08400, d, n, m)     // ADD Vd.4S, Vn.4S, Vm.4S
#define SUBS4(d, n, m)    OP3(0x6ea08400, d, n, m)     // SUB Vd.4S, Vn.4S, Vm.4S
#define UMAXS(d, n, m)    OP3(0x6ea06400, d, n, m)     // UMAX Vd.4S, Vn.4S, Vm.4S
#define NEGS(d, n)        OP2(0x6ea0b800, d, n)        // NEG Vd.4S, Vn.4S
#define SADDLPB(d, n)     OP2(0x4e202800, d, n)        // SADDLP Vd.8H, Vn.16B
#define SADDLPH(d, n)     OP2(0x4e602800, d, n)        // SADDLP Vd.4S, Vn.8H
#define SADALPB(d, n)     OP2(0x4e206800, d, n)        // SADALP Vd.8H, Vn.16B
#define SADALPH(d, n)     OP2(0x4e606800, d, n)        // SADALP Vd.4S, Vn.8H
#define ADDVS(d, n)       OP2(0x4eb1b800, d, n)        // ADDV Sd, Vn.4S
#define SADDLVH(d, n)     OP2(0x4e703800, d, n)        // SADDLV Sd, Vn.8H
#define UMAXVS(d, n)      OP2(0x6eb0a800, d, n)        // UMAXV Sd, Vn.4S
#define SXTLB(d, n)       OP2(0x0f08a400, d, n)        // SXTL Vd.8H, Vn.8B
#define SXTL2B(d, n)      OP2(0x4f08a400, d, n)        // SXTL2 Vd.8H, Vn.16B
#define SXTLH(d, n)       OP2(0x0f10a400, d, n)        // SXTL Vd.4S, Vn.4H
#define SXTL2H(d, n)      OP2(0x4f10a400, d, n)        // SXTL2 Vd.4S, Vn.8H
#define UXTLB(d, n)       OP2(0x2f08a400, d, n)        // UXTL Vd.8H, Vn.8B
#define UXTL2B(d, n)      OP2(0x6f08a400, d, n)        // UXTL2 Vd.8H, Vn.16B
#define SQXTNS(d, n)      OP2(0x0e614800, d, n)        // SQXTN Vd.4H, Vn.4S
#define SQXTN2S(d, n)     OP2(0x4e614800, d, n)        // SQXTN2 Vd.8H, Vn.4S
#define SQXTNH(d, n)      OP2(0x0e214800, d, n)        // SQXTN Vd.8B, Vn.8H
#define SQXTN2H(d, n)     OP2(0x4e214800, d, n)        // SQXTN2 Vd.16B, Vn.8H

// Floats.
#define FADD(d, n, m)     OP3(0x4e20d400, d, n, m)     // FADD Vd.4S, Vn.4S, Vm.4S
#define FADDP(d, n, m)    OP3(0x6e20d400, d, n, m)     // FADDP Vd.4S, Vn.4S, Vm.4S
#define FSUB(d, n, m)     OP3(0x4ea0d400, d, n, m)     // FSUB Vd.4S, Vn.4S, Vm.4S
#define FDIV(d, n, m)     OP3(0x6e20fc00, d, n, m)     // FDIV Vd.4S, Vn.4S, Vm.4S
#define FCMGT(d, n, m)    OP3(0x6ea0e400, d, n, m)     // FCMGT Vd.4S, Vn.4S, Vm.4S
#define FMUL(d, n, m)     OP3(0x6e20dc00, d, n, m)     // FMUL Vd.4S, Vn.4S, Vm.4S
#define FMULE(d, n, m, i) OP3E(0x4f809000, d, n, m, i) // FMUL Vd.4S, Vn.4S, Vm.S[i]
#define FMLA(d, n, m)     OP3(0x4e20cc00, d, n, m)     // FMLA Vd.4S, Vn.4S, Vm.4S
#define FMLAE(d, n, m, i) OP3E(0x4f801000, d, n, m, i) // FMLA Vd.4S, Vn.4S, Vm.S[i]
#define FMAX(d, n, m)     OP3(0x4e20f400, d, n, m)     // FMAX Vd.4S, Vn.4S, Vm.4S
#define FABS(d, n)        OP2(0x4ea0f800, d, n)        // FABS Vd.4S, Vn.4S
#define FCMGT0(d, n)      OP2(0x4ea0c800, d, n)        // FCMGT Vd.4S, Vn.4S, #0.0
#define SCVTF(d, n)       OP2(0x4e21d800, d, n)        // SCVTF Vd.4S, Vn.4S
#define SCVTF4(d, n)      OP2(0x4f3ce400, d, n)        // SCVTF Vd.4S, Vn.4S, #4
#define FCVTZS(d, n)      OP2(0x4ea1b800, d, n)        // FCVTZS Vd.4S, Vn.4S
#define FCVTNS(d, n)      OP2(0x4e21a800, d, n)        // FCVTNS Vd.4S, Vn.4S
#define FCVTL(d, n)       OP2(0x0e217800, d, n)        // FCVTL Vd.4S, Vn.4H
#define FCVTL2(d, n)      OP2(0x4e217800, d, n)        // FCVTL2 Vd.4S, Vn.8H
#define FCVTN(d, n)       OP2(0x0e216800, d, n)        // FCVTN Vd.4H, Vn.4S
#define FCVTN2(d, n)      OP2(0x4e216800, d, n)        // FCVTN2 Vd.8H, Vn.4S
#define SHLL16(d, n)      OP2(0x2e613800, d, n)        // SHLL Vd.4S, Vn.4H, #16
#define SHLL16H(d, n)     OP2(0x6e613800, d, n)        // SHLL2 Vd.4S, Vn.8H, #16
#define FCVTLD(d, n)      OP2(0x0e617800, d, n)        // FCVTL Vd.2D, Vn.2S
#define FCVTL2D(d, n)     OP2(0x4e617800, d, n)        // FCVTL2 Vd.2D, Vn.4S
#define FADDD(d, n, m)    OP3(0x4e60d400, d, n, m)     // FADD Vd.2D, Vn.2D, Vm.2D
#define FADDPD(d, n, m)   OP3(0x6e60d400, d, n, m)     // FADDP Vd.2D, Vn.2D, Vm.2D
#define FMLAD(d, n, m)    OP3(0x4e60cc00, d, n, m)     // FMLA Vd.2D, Vn.2D, Vm.2D

// LDRH2 loads 16 bits at Xn, which moves on by them; the rest of the register is zero.
#define LDRH2(t, n) OP2(0x7c402400, t, n) // LDR Ht, [Xn], #2

// STRH2 stores 16 bits at Xn, which moves on by them.
#define STRH2(t, n) OP2(0x7c002400, t, n) // STR Ht, [Xn], #2

// HSUM adds up the four floats of Vd into the lowest.
#define HSUM(d)     \
	FADDP(d, d, d); \
	FADDP(d, d, d)
