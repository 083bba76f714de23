package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"st/convert/checkpoint/ckpttest"
)

// A predictor of the head, model_lm_head.pt, is fc1 [rank, hidden] and fc2 [vocab, rank]: a row of the head is worth computing if its score,
// fc2 · fc1 · x for the head's input x, is high. It is made by least squares. Scores are to be the logits, less those that the mean row of the head
// has: of all products of that rank, the one that comes closest to them on inputs of a text is the truncated singular value decomposition of those
// logits (reduced-rank regression; Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 3.7).
//
// One of the rank is kept for what shifts all scores alike, so that predictedShare of the rows have scores above predictedFrom, which is where
// SmallThinker's predictors are used: a direction with which all inputs have nearly the same product.
const (
	predictorFile  = "model_lm_head.pt"
	predictedShare = 0.065
	predictedFrom  = -2.
	predictorStd   = 2.   // spread of the scores over the vocabulary
	fitRows        = 8192 // of the head that are looked at; all are fitted
	fitSteps       = 16   // of the subspace iteration
	ridge          = 1e-3 // of the inputs' mean square, added to their covariance
)

// lmHead is a language-model head.
type lmHead struct {
	vocab, hidden int
	row           func(v int, dst []float32) // of a token
}

// fit makes a predictor of the head from inputs x [n, hidden], the last quarter of which say how scores are scaled and shifted.
func (h *lmHead) fit(x []float32, rank int) (fc1, fc2 []float32, err error) {
	n := len(x) / h.hidden
	switch {
	case rank%32 != 0 || rank < 32 || rank > h.hidden:
		return nil, nil, fmt.Errorf("a predictor of rank %d: it must be a multiple of 32, up to the hidden size %d", rank, h.hidden)
	case n < 4*rank:
		return nil, nil, fmt.Errorf("%d inputs are too few for a predictor of rank %d: it takes %d", n, rank, 4*rank)
	}
	width := h.hidden
	fitted, rest := x[:n*3/4*width], x[n*3/4*width:]
	rows, mean := h.sample()
	inputs := gram(fitted, width)
	var trace float64
	for i := range width {
		trace += inputs[i*width+i]
	}
	for i := range width {
		inputs[i*width+i] += ridge * trace / float64(width)
	}
	q := subspace(product(gram(rows, width), inputs, width), width, rank-1) // [rank−1, hidden]
	// The best factor for fc1 = q is fc2 = rows · b, b = inputs·qᵀ·(q·inputs·qᵀ)⁻¹; inputs is symmetric.
	b, inner := multiply(q, inputs, rank-1, width), make([]float64, (rank-1)*(rank-1)) // [rank−1, hidden]
	for i := range rank - 1 {
		for j := range rank - 1 {
			inner[i*(rank-1)+j] = dot64(b[i*width:][:width], q[j*width:][:width])
		}
	}
	if err := solve(inner, b, rank-1, width); err != nil {
		return nil, nil, err
	}
	// The direction that all inputs share: the one whose products are closest to 1.
	shared := make([]float64, width)
	for i, v := range meanRow(fitted, width) {
		shared[i] = float64(v)
	}
	if err := solve(inputs, shared, width, 1); err != nil {
		return nil, nil, err
	}
	fc1, factor := toFloat32(slices.Concat(shared, q)), toFloat32(b)
	h.balance(fc1, factor, fitted, rows, rank)
	return fc1, h.scores(fc1, factor, rest, rows, mean, rank), nil
}

// sample returns some rows of the head, less the mean row, [fitRows, hidden], and the mean row.
func (h *lmHead) sample() (rows, mean []float32) {
	n := min(fitRows, h.vocab)
	rows = make([]float32, n*h.hidden)
	_ = parallel(n, func(i int) error { h.row(i*h.vocab/n, rows[i*h.hidden:][:h.hidden]); return nil })
	mean = meanRow(rows, h.hidden)
	for i := range rows {
		rows[i] -= mean[i%h.hidden]
	}
	return rows, mean
}

// balance scales each dimension of the rank in both factors so that it is of the same size on both sides: the products are quantized in blocks of 32
// of the rank, in fc2 and in what fc1 gives. The shared direction, which is larger than the others, is left for scores.
func (h *lmHead) balance(fc1, factor, x, rows []float32, rank int) {
	a, b := project(x, fc1, h.hidden), project(rows, factor, h.hidden)
	for k := range rank - 1 {
		in, out := columnRMS(a, rank, k+1), columnRMS(b, rank-1, k)
		if in == 0 || out == 0 {
			continue
		}
		scale := float32(math.Sqrt(out / in))
		for i := range h.hidden {
			fc1[(k+1)*h.hidden+i] *= scale
			factor[k*h.hidden+i] /= scale
		}
	}
}

// scores makes fc2 of the factor [rank−1, hidden], scaled and shifted by the scores that sampled rows have with x, and scales the shared direction in fc1.
func (h *lmHead) scores(fc1, factor, x, rows, mean []float32, rank int) []float32 {
	a, b := project(x, fc1, h.hidden), project(rows, factor, h.hidden) // [n, rank], [rows, rank−1]
	n, sampled := len(a)/rank, len(rows)/h.hidden
	plain, along := make([]float32, n*(rank-1)), 0.
	for t := range n {
		along += float64(a[t*rank]) / float64(n)
		copy(plain[t*(rank-1):], a[t*rank+1:(t+1)*rank])
	}
	s := project(plain, b, rank-1)
	scale := float32(predictorStd / rms(s))
	// The shift is of the inputs' products with the shared direction, which are nearly the same: what each row lacks to have a score of just
	// predictedFrom, in units of its input's product.
	for i, v := range s {
		s[i] = (predictedFrom - scale*v) / (a[i/sampled*rank] / float32(along))
	}
	slices.Sort(s)
	shift := float64(s[int(predictedShare*float64(len(s)))])
	side := float32(math.Sqrt(math.Abs(shift))) // on both sides, as in balance
	for i := range h.hidden {
		fc1[i] *= side / float32(along)
	}
	fc2 := make([]float32, h.vocab*rank)
	_ = parallel((h.vocab+rowsPerWrite-1)/rowsPerWrite, func(i int) error {
		from, to := i*rowsPerWrite, min((i+1)*rowsPerWrite, h.vocab)
		w, y := make([]float32, (to-from)*h.hidden), make([]float32, (to-from)*(rank-1))
		for v := from; v < to; v++ {
			row := w[(v-from)*h.hidden:][:h.hidden]
			h.row(v, row)
			axpy(row, -1, mean)
		}
		matmul(y, w, factor, h.hidden, 0, rank-1)
		for v := from; v < to; v++ {
			row := fc2[v*rank:][:rank]
			row[0] = float32(math.Copysign(float64(side), shift))
			axpy(row[1:], scale, y[(v-from)*(rank-1):][:rank-1])
		}
		return nil
	})
	return fc2
}

// writePredictor writes the file of a predictor to a directory, all of it or nothing: it may replace another one.
func writePredictor(dir string, fc1, fc2 []float32, rank int) error {
	path := filepath.Join(dir, predictorFile)
	tmp := path + ".tmp"
	err := ckpttest.WriteTorch(tmp, []ckpttest.Tensor{
		{Name: "fc1.weight", DType: "BF16", Shape: []int{rank, len(fc1) / rank}, Data: fc1},
		{Name: "fc2.weight", DType: "BF16", Shape: []int{len(fc2) / rank, rank}, Data: fc2},
	}, nil)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// predictor fits a predictor to the head just made, on all tokens of the stream. norm is the head's.
func (b *builder) predictor(name string, norm []float32) error {
	h := lmHead{b.Vocab, b.Hidden, func(v int, dst []float32) { b.embeddingRow(name, v, dst) }}
	fc1, fc2, err := h.fit(rmsNorm(b.x, norm, b.NormEps), b.predictorRank)
	if err != nil {
		return err
	}
	return writePredictor(b.out.dir, fc1, fc2, b.predictorRank)
}

var errSingular = errors.New("the inputs of the head do not determine a predictor")
