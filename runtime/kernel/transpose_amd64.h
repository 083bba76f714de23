// TRANSPOSE transposes the longs of a, b, c and d four by four in each 128 bits: a has the first ones then. t, u and v are scratch.
#define TRANSPOSE(a, b, c, d, t, u, v) \
	VPUNPCKLDQ  b, a, t; \
	VPUNPCKHDQ  b, a, u; \
	VPUNPCKLDQ  d, c, v; \
	VPUNPCKHDQ  d, c, d; \
	VPUNPCKLQDQ v, t, a; \
	VPUNPCKHQDQ v, t, b; \
	VPUNPCKLQDQ d, u, c; \
	VPUNPCKHQDQ d, u, d
