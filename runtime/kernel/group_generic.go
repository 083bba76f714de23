package kernel

import (
	"math"

	"st/quant"
)

// groupQ4Generic computes the products of a group of Q4_0 rows with one int8 vector: acc[r] = Σ_b d_w[b,r]·d_x[b]·
// Σ_j (q_w − 8)·q_x, blocks in order.
func groupQ4Generic(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	*acc = [quant.GroupRows]float32{}
	for b := range x.d {
		var isum [quant.GroupRows]int32
		scales, tile := quant.Q4_0.GroupBlock(group, b, len(x.d))
		q := x.q[b*quant.BlockSize:][:quant.BlockSize]
		for g := range 4 {
			l0, l1, l2, l3 := int32(q[4*g]), int32(q[4*g+1]), int32(q[4*g+2]), int32(q[4*g+3])
			h0, h1, h2, h3 := int32(q[16+4*g]), int32(q[16+4*g+1]), int32(q[16+4*g+2]), int32(q[16+4*g+3])
			line := tile[g*64:][:64]
			for r := range isum {
				v := le.Uint32(line[4*r:])
				isum[r] += int32(v&15)*l0 + int32(v>>4&15)*h0 +
					int32(v>>8&15)*l1 + int32(v>>12&15)*h1 +
					int32(v>>16&15)*l2 + int32(v>>20&15)*h2 +
					int32(v>>24&15)*l3 + int32(v>>28)*h3
			}
		}
		offset := 8 * x.sum[b]
		for r := range acc {
			acc[r] += float32(isum[r]-offset) * (quant.HalfToFloat(le.Uint16(scales[2*r:])) * x.d[b])
		}
	}
}

// groupQ4x4Generic is groupQ4Generic for four vectors.
func groupQ4x4Generic(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	for i := range x {
		groupQ4Generic(&acc[i], group, &x[i])
	}
}

// groupPackedGeneric is groupQ4Generic or groupQ8Generic for packed vectors: it stores what it computes in p.acc.
func groupPackedGeneric(typ quant.Type, p *packed, group []byte, blocks int) {
	acc := p.acc[:4*p.quads*quant.GroupRows]
	clear(acc)
	for b := range blocks {
		scales, tile := typ.GroupBlock(group, b, blocks)
		for t := range 4 * p.quads {
			quad := p.data[(b*p.quads+t/4)*quadBytes:][:quadBytes]
			q, d := quad[t%4*quant.BlockSize:][:quant.BlockSize], math.Float32frombits(le.Uint32(quad[4*quant.BlockSize+t%4*4:]))
			for r := range quant.GroupRows {
				var sum int32
				if typ == quant.Q8_0 {
					for i, x := range q {
						sum += int32(int8(tile[i/4*64+4*r+i%4])) * int32(int8(x))
					}
				} else {
					for i := range quant.BlockSize / 2 {
						w := tile[i/4*64+4*r+i%4]
						sum += (int32(w&15)-8)*int32(int8(q[i])) + (int32(w>>4)-8)*int32(int8(q[i+quant.BlockSize/2]))
					}
				}
				acc[t*quant.GroupRows+r] += float32(sum) * (quant.HalfToFloat(le.Uint16(scales[2*r:])) * d)
			}
		}
	}
}

// groupQ8Generic is groupQ4Generic for Q8_0 rows.
func groupQ8Generic(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	*acc = [quant.GroupRows]float32{}
	for b := range x.d {
		var isum [quant.GroupRows]int32
		scales, tile := quant.Q8_0.GroupBlock(group, b, len(x.d))
		q := x.q[b*quant.BlockSize:][:quant.BlockSize]
		for g := range 8 {
			x0, x1, x2, x3 := int32(q[4*g]), int32(q[4*g+1]), int32(q[4*g+2]), int32(q[4*g+3])
			line := tile[g*64:][:64]
			for r := range isum {
				v := le.Uint32(line[4*r:])
				isum[r] += int32(int8(v))*x0 + int32(int8(v>>8))*x1 + int32(int8(v>>16))*x2 + int32(int8(v>>24))*x3
			}
		}
		for r := range acc {
			acc[r] += float32(isum[r]) * (quant.HalfToFloat(le.Uint16(scales[2*r:])) * x.d[b])
		}
	}
}

// groupEightGeneric is groupQ4Generic or groupQ8Generic for eight vectors that packEight has interleaved.
func groupEightGeneric(t quant.Type, acc *[8][quant.GroupRows]float32, group []byte, x []uint64) {
	blocks := len(x) / eightWords
	v := vector{make([]int8, blocks*quant.BlockSize), make([]float32, blocks), make([]int32, blocks)}
	for k := range acc {
		for b := range blocks {
			from := x[b*eightWords:][:eightWords]
			v.d[b], v.sum[b] = math.Float32frombits(uint32(from[32+k])), 0
			for i := range quant.BlockSize {
				word := from[k/2*4+k%2+i/16*2+i/8%2*16]
				v.q[b*quant.BlockSize+i] = int8(word >> (i % 8 * 8))
				v.sum[b] += int32(v.q[b*quant.BlockSize+i])
			}
		}
		if t == quant.Q4_0 {
			groupQ4Generic(&acc[k], group, &v)
		} else {
			groupQ8Generic(&acc[k], group, &v)
		}
	}
}
