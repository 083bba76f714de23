//go:build !noasm

package kernel

import "unsafe"

// neuronsAhead is how many neurons ahead memory is asked for them. Four leave a third of the products with up waiting for memory.
const neuronsAhead = 8

// neuronsQ4 takes four neurons at a time, and meanwhile prefetches four of those to come, up and down.
func neuronsQ4(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector, next Next) {
	if !useAVX2 {
		neuronsQ4Generic(y, neurons, h, up, down, x)
		return
	}
	x.check()
	h = h[:len(neurons)]
	ups, downs := up.rowsQ4(len(x.q)), down.rowsQ4(len(y))
	eights := len(x.d)%8 == 0
	skip := len(x.q) / 4 // bytes of a neuron that the product with up prefetches
	if useAVX512 {
		skip = len(x.q) / 2
	}
	i := 0
	for ; i+4 <= len(neurons); i += 4 {
		var f [4]float32
		var quants, ahead [4]*byte
		for k := range ahead {
			quants[k] = ups.row(neurons[i+k])
			if a := i + k + neuronsAhead; a < len(neurons) {
				ahead[k] = ups.row(neurons[a])
			} else {
				ahead[k] = next.row(a-len(neurons), quants[k])
			}
		}
		switch {
		case eights && useAVX512:
			dotQ4Rows4AVX512(&f, &quants, up.ScaleOffset, &ahead, x)
		case eights && useVNNI:
			dotQ4Rows4VNNI(&f, &quants, up.ScaleOffset, &ahead, x)
		case eights:
			dotQ4Rows4AVX2(&f, &quants, up.ScaleOffset, &ahead, x)
		default:
			for k := range f {
				q, s := up.row(int(neurons[i+k]))
				f[k] = dotQ4AVX2(q[:len(x.q)/2], s[:len(x.q)/16], x, ahead[k])
			}
		}
		for k := range f {
			f[k] *= h[i+k]
			ahead[k] = (*byte)(unsafe.Add(unsafe.Pointer(ahead[k]), skip))
			quants[k] = downs.row(neurons[i+k])
		}
		switch {
		case useAVX512:
			axpyQ4x4AVX512(y, &f, &quants, down.ScaleOffset, &ahead)
		case useVNNI:
			axpyQ4x4VNNI(y, &f, &quants, down.ScaleOffset, &ahead)
		default:
			axpyQ4x4AVX2(y, &f, &quants, down.ScaleOffset, &ahead)
		}
		if done := len(y) &^ 255; done < len(y) {
			for k := range f {
				q, s := down.row(int(neurons[i+k]))
				axpyQ4(y[done:], f[k], q[done/2:], s[done/16:])
			}
		}
	}
	for ; i < len(neurons); i++ {
		q, s := up.row(int(neurons[i]))
		f := h[i] * dotQ4(q, s, x)
		q, s = down.row(int(neurons[i]))
		axpyQ4(y, f, q, s)
	}
}

// axpyQ4x4AVX2 adds f[i] times the Q4_0 row at quants[i], whose scales are scales bytes further, to y, for four rows of whole 256 columns; what is
// left of y stays. A row's factors are rounded by up to 2⁻¹⁶ of the largest of the four. Meanwhile it prefetches what lies at
// ahead, of which it reads nothing.
//
//go:noescape
func axpyQ4x4AVX2(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)

// axpyQ4x4VNNI is axpyQ4x4AVX2, to the bit.
//
//go:noescape
func axpyQ4x4VNNI(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)

// axpyQ4x4AVX512 is axpyQ4x4AVX2, to the bit.
//
//go:noescape
func axpyQ4x4AVX512(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)

// dotQ4Rows4AVX2 is dotQ4AVX2 for four rows, to the bit, of a multiple of eight blocks. A row's scales are scales bytes behind its quants.
// Meanwhile it prefetches what lies at ahead, of which it reads nothing.
//
//go:noescape
func dotQ4Rows4AVX2(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)

// dotQ4Rows4VNNI is dotQ4Rows4AVX2, to the bit.
//
//go:noescape
func dotQ4Rows4VNNI(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)

// dotQ4Rows4AVX512 is dotQ4Rows4AVX2, to the bit.
//
//go:noescape
func dotQ4Rows4AVX512(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)

// rowsQ4 are the rows of a Q4_0 matrix that is not Grouped.
type rowsQ4 struct {
	data         unsafe.Pointer
	rows, stride int
}

// rowsQ4 panics unless all rows have cols numbers in m.Data: assembly does not check what it reads.
func (m *Matrix) rowsQ4(cols int) rowsQ4 {
	if m.Rows > 0 {
		last := m.Data[(m.Rows-1)*m.Stride:]
		_, _ = last[:cols/2], last[m.ScaleOffset:][:cols/16]
	}
	return rowsQ4{unsafe.Pointer(unsafe.SliceData(m.Data)), m.Rows, m.Stride}
}

// row returns where row i has its quants.
func (r *rowsQ4) row(i int32) *byte {
	if uint(i) >= uint(r.rows) {
		panic("kernel: there is no such neuron")
	}
	return (*byte)(unsafe.Add(r.data, int(i)*r.stride))
}
