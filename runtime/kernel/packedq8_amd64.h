// What kernels for groups of Q8_0 rows have instead of what packed_amd64.h defines for Q4_0: the weights are read where they lie, and the file that includes
// it defines LINES and START. ADD is that of kernels that multiply each vector as if it were alone.
#undef UNPACKBLOCK
#undef LINE
#undef LINES
#undef PAIR
#undef SECOND
#undef START
#undef VECTOR
#undef ADD

#define PAIR 1088
#define SECOND 576

#define UNPACKBLOCK \
	PREFETCHT0 (AHEAD)(R11);     \
	PREFETCHT0 (AHEAD+64)(R11);  \
	PREFETCHT0 (AHEAD+128)(R11); \
	PREFETCHT0 (AHEAD+192)(R11); \
	PREFETCHT0 (AHEAD+256)(R11); \
	PREFETCHT0 (AHEAD+320)(R11); \
	PREFETCHT0 (AHEAD+384)(R11); \
	PREFETCHT0 (AHEAD+448)(R11)

#define ADD(sum, d, y) \
	VCVTDQ2PS   sum, sum;           \
	VMULPS      Y13, d, Y10;        \
	VFMADD213PS (y)(R12), Y10, sum; \
	VMOVUPS     sum, (y)(R12)
