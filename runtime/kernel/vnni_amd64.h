// Instructions of AVX-VNNI in the VEX form, for CPUs without AVX-512: Go's assembler has the EVEX form alone. The arguments are the numbers of
// registers Y0 to Y15, in the order of Go's assembler. Intel SDM volume 2, VPDPBUSD: VEX.256.66.0F38.W0 50 /r; VPDPWSSD has opcode 52.

#define VEX3(opcode, src3, src2, dst) \
	BYTE $0xc4;                                            \
	BYTE $(0xe2 ^ ((dst >> 3) << 7) ^ ((src3 >> 3) << 5)); \
	BYTE $(((15 - src2) << 3) | 5);                        \
	BYTE $opcode;                                          \
	BYTE $(0xc0 | ((dst & 7) << 3) | (src3 & 7))

// DPBUSD adds the products of four unsigned bytes of src2 with four signed ones of src3 to each long of dst.
#define DPBUSD(src3, src2, dst) VEX3(0x50, src3, src2, dst)

// DPWSSD adds the products of two signed words of src2 with two of src3 to each long of dst.
#define DPWSSD(src3, src2, dst) VEX3(0x52, src3, src2, dst)
