package kernel

import "st/quant"

// wideLane is a vector as the kernel takes it that multiplies a Q4_0 row with any number of them in registers of 512 bits. Sixteen blocks of 32
// numbers are, for r = 0…3, the first halves of blocks 4r to 4r+3 and then their second halves, in which order Q4_0 has nibbles; their scales and
// eight times their sums are [2, 16], that of block 4r+l at 4l+r. What lacks of the last sixteen is zero.
type wideLane struct {
	q    *int8
	meta *float32
}

// wideBlocks is the number of blocks that are laid out together, and wideLine is what a row's take unpacked, with their scales.
const (
	wideBlocks = 16
	wideLine   = wideBlocks * (quant.BlockSize + 4)
)

// wide are the lanes of a batch.
type wide struct {
	lanes [MaxBlock]wideLane
	q     []int8    // [tokens, blocks/16, 4, 2, 4, 16]
	meta  []float32 // [tokens, blocks/16, 2, 16]
	lines []byte    // an unpacked row
	dots  [MaxBlock]float32
}

// begin makes the lanes of vectors idx of x.
func (w *wide) begin(x *Input, idx []int32) {
	blocks := x.Cols / quant.BlockSize
	steps := (blocks + wideBlocks - 1) / wideBlocks
	const qs, metas = wideBlocks * quant.BlockSize, 2 * wideBlocks // of a step
	q, meta := grow(&w.q, len(idx)*steps*qs), grow(&w.meta, len(idx)*steps*metas)
	clear(q)
	clear(meta)
	grow(&w.lines, steps*wideLine)
	for i, t := range idx {
		v := x.vector(int(t))
		q, meta := q[i*steps*qs:][:steps*qs], meta[i*steps*metas:][:steps*metas]
		w.lanes[i] = wideLane{&q[0], &meta[0]}
		for b, d := range v.d {
			from := v.q[b*quant.BlockSize:][:quant.BlockSize]
			to := q[b/4*4*quant.BlockSize+b%4*16:]
			copy(to[:16], from[:16])
			copy(to[64:80], from[16:])
			m := meta[b/wideBlocks*metas:]
			at := b%4*4 + b%wideBlocks/4
			m[at], m[wideBlocks+at] = d, float32(8*v.sum[b])
		}
	}
}
