//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "vnni_amd64.h"
#include "words_amd64.h"

#define ADDPAIR(f, w, sum, nf, nw, nsum) DPWSSD(nf, nw, nsum)

// func addWordsVNNI(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32)
TEXT ·addWordsVNNI(SB), NOSPLIT, $0-72
	TOKENS(HALVES)
