package kernel

import "st/quant"

// dotSums are the sums of eight products of floats, 32 of each, as dot has them: number i counts with sum i%32.
type dotSums [8][32]float32

// floatCols is how many columns of floats are multiplied with all vectors before the next ones: those of some rows stay in the L1 cache meanwhile.
const floatCols = 768

// floatBlocks is how often vectors are taken for the same columns, at most: their sums take 32 KB.
const floatBlocks = 32

// mulFloats multiplies units [from, to), which are rows of floats, with vectors, some rows and vectors at a time, where there is a kernel for that: see
// floatBlock. It returns the first of the units that are left over.
func mulFloats(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) (left int) {
	n, vectors := floatBlock(w.Cols)
	if n == 0 {
		return from
	}
	var rows [4][]float32
	for ; from+n <= to; from += n {
		for i := range rows[:n] {
			quants, _ := w.row(from + i)
			if w.Type == quant.F32 {
				if rows[i] = floats(quants, w.Cols); rows[i] != nil {
					continue
				}
			}
			rows[i] = scratch.row(n * w.Cols)[i*w.Cols:][:w.Cols]
			Decode(w.Type, rows[i], quants, nil)
		}
		for t := 0; t < len(idx); t += vectors * floatBlocks {
			some := idx[t:min(t+vectors*floatBlocks, len(idx))]
			mulRows(dst[t*stride+from:], stride, rows[:n], vectors, x, some, scratch)
		}
	}
	return from
}

// mulRows multiplies rows with vectors, one or two at a time: dst[t·stride + r] is row r times vector idx[t].
func mulRows(dst []float32, stride int, rows [][]float32, vectors int, x *Input, idx []int32, scratch *Scratch) {
	if scratch.dots == nil {
		scratch.dots = new([floatBlocks]dotSums)
	}
	cols := len(rows[0])
	var part [4][]float32
	for col := 0; col < cols; col += floatCols {
		end := min(col+floatCols, cols)
		for i, row := range rows {
			part[i] = row[col:end]
		}
		for t := 0; t < len(idx); t += vectors {
			last := min(t+vectors, len(idx)) - 1
			a, b, sums := x.Row(int(idx[t]))[col:end], x.Row(int(idx[last]))[col:end], &scratch.dots[t/vectors]
			if end < cols {
				dotRows(nil, sums, &part, a, b, col == 0)
				continue
			}
			var dots [8]float32
			dotRows(&dots, sums, &part, a, b, col == 0)
			for i := range rows {
				dst[t*stride+i] = dots[2*i]
				if last > t {
					dst[last*stride+i] = dots[2*i+1]
				}
			}
		}
	}
}
