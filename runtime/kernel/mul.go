package kernel

import "st/quant"

// Mul computes rows of w · x for units [from, to): dst[t·stride + r] is row r times vector idx[t] of x, for every t.
// w.Cols must equal x.Cols, and dst holds whole rows' worth: stride is at least w.Rows. scratch is for the caller's thread
// alone.
func Mul(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	for u := from; u < to; u++ {
		if w.Grouped {
			mulGroup(dst, stride, w, u, x, idx)
			continue
		}
		quants, scales := w.row(u)
		if w.quantized() {
			for t, i := range idx {
				dst[t*stride+u] = dotRow(w.Type, quants, scales, x, int(i))
			}
			continue
		}
		row := scratch.row(w.Cols)
		w.Type.Decode(row, quants, nil)
		for t, i := range idx {
			dst[t*stride+u] = dotGeneric(row, x.Row(int(i)))
		}
	}
}

// mulGroup multiplies one group of sixteen rows with every vector.
func mulGroup(dst []float32, stride int, w *Matrix, u int, x *Input, idx []int32) {
	first := u * quant.GroupRows
	rows := min(quant.GroupRows, w.Rows-first)
	nb := w.Cols / quant.BlockSize
	group := w.group(u)
	for t, i := range idx {
		var acc [quant.GroupRows]float32
		q := x.q[int(i)*x.Cols:][:x.Cols]
		d, sum := x.d[int(i)*nb:][:nb], x.sum[int(i)*nb:][:nb]
		if w.Type == quant.Q4_0 {
			groupQ4Generic(&acc, group, q, d, sum)
		} else {
			groupQ8Generic(&acc, group, q, d)
		}
		copy(dst[t*stride+first:][:rows], acc[:rows])
	}
}

// groupQ4Generic computes the products of a group of Q4_0 rows with one int8 vector: acc[r] = Σ_b d_w[b,r]·d_x[b]·
// Σ_j (q_w − 8)·q_x, blocks in order.
func groupQ4Generic(acc *[quant.GroupRows]float32, group []byte, q []int8, d []float32, sum []int32) {
	for b := range d {
		var isum [quant.GroupRows]int32
		scales, tile := quant.Q4_0.GroupBlock(group, b, len(d))
		x := q[b*quant.BlockSize:][:quant.BlockSize]
		for g := range 4 {
			l0, l1, l2, l3 := int32(x[4*g]), int32(x[4*g+1]), int32(x[4*g+2]), int32(x[4*g+3])
			h0, h1, h2, h3 := int32(x[16+4*g]), int32(x[16+4*g+1]), int32(x[16+4*g+2]), int32(x[16+4*g+3])
			line := tile[g*64:][:64]
			for r := range isum {
				v := le.Uint32(line[4*r:])
				isum[r] += int32(v&15)*l0 + int32(v>>4&15)*h0 +
					int32(v>>8&15)*l1 + int32(v>>12&15)*h1 +
					int32(v>>16&15)*l2 + int32(v>>20&15)*h2 +
					int32(v>>24&15)*l3 + int32(v>>28)*h3
			}
		}
		offset := 8 * sum[b]
		for r := range acc {
			acc[r] += float32(isum[r]-offset) * (quant.HalfToFloat(le.Uint16(scales[2*r:])) * d[b])
		}
	}
}

// groupQ8Generic is groupQ4Generic for Q8_0 rows.
func groupQ8Generic(acc *[quant.GroupRows]float32, group []byte, q []int8, d []float32) {
	for b := range d {
		var isum [quant.GroupRows]int32
		scales, tile := quant.Q8_0.GroupBlock(group, b, len(d))
		x := q[b*quant.BlockSize:][:quant.BlockSize]
		for g := range 8 {
			x0, x1, x2, x3 := int32(x[4*g]), int32(x[4*g+1]), int32(x[4*g+2]), int32(x[4*g+3])
			line := tile[g*64:][:64]
			for r := range isum {
				v := le.Uint32(line[4*r:])
				isum[r] += int32(int8(v))*x0 + int32(int8(v>>8))*x1 + int32(int8(v>>16))*x2 + int32(int8(v>>24))*x3
			}
		}
		for r := range acc {
			acc[r] += float32(isum[r]) * (quant.HalfToFloat(le.Uint16(scales[2*r:])) * d[b])
		}
	}
}

// dotGeneric is the inner product in float32, in eight partial sums as a vector unit keeps them.
func dotGeneric(a, b []float32) float32 {
	b = b[:len(a)]
	var s [8]float32
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		for j := range s {
			s[j] += x[j] * y[j]
		}
	}
	for ; i < len(a); i++ {
		s[0] += a[i] * b[i]
	}
	return (s[0] + s[4]) + (s[1] + s[5]) + ((s[2] + s[6]) + (s[3] + s[7]))
}

// axpyGeneric adds f·src to dst.
func axpyGeneric(dst []float32, f float32, src []float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += f * src[i]
	}
}
