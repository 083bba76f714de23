package main

import (
	"math"
	"path/filepath"

	"st/convert/checkpoint/ckpttest"
)

// A predictor of the head, model_lm_head.pt, is fc1 [rank, hidden] and fc2 [vocab, rank]: fc2 · fc1 · x foretells which logits of the head's input x
// are high. Row 0 of fc1 is the direction that all tokens share, by which all scores are shifted alike; the others are the sums, with random signs, of
// hidden/(rank−1) numbers each, which are at right angles to each other: the rows of fc2 are then the least squares fit of the head's rows. With random
// weights that foretells little: it is for measuring speed.
const (
	predictorRank  = 128
	predictedShare = 0.065 // of the rows have scores above predictedFrom
	predictedFrom  = -2.
	predictorStd   = 2. // spread of the scores over the vocabulary
)

// predictor writes the file of the predictor. name is the head's tensor, and x are inputs of it.
func (b *builder) predictor(name string, x []float32) error {
	h := b.Hidden
	r := stream(b.seed, "predictor", 0)
	signs := make([]float32, h)
	for i := range signs {
		signs[i] = float32(2*r.intn(2) - 1)
	}
	part := (h + predictorRank - 2) / (predictorRank - 1)
	fc1, fc2 := make([]float32, predictorRank*h), make([]float32, b.Vocab*predictorRank)
	for i := range h {
		fc1[i] = b.common[i] / float32(h)
		fc1[(1+i/part)*h+i] = signs[i]
	}
	err := parallel((b.Vocab+rowsPerWrite-1)/rowsPerWrite, func(k int) error {
		row := make([]float32, h)
		for v := k * rowsPerWrite; v < min((k+1)*rowsPerWrite, b.Vocab); v++ {
			b.embeddingRow(name, v, row)
			for i, w := range row {
				fc2[v*predictorRank+1+i/part] += signs[i] * (w - b.common[i]*float32(embedStd*math.Sqrt(commonShare))) / float32(part)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The scores of some rows are measured, and scaled and shifted to what they should be.
	n := len(x) / h
	inputs := project(fc1, x, h) // [n, rank]
	rows := min(rowsPerWrite, b.Vocab)
	var along, squares float64
	for t := range n {
		along += float64(inputs[t*predictorRank])
		for v := range rows {
			s := float64(dot(inputs[t*predictorRank:][:predictorRank], fc2[v*predictorRank:][:predictorRank]))
			squares += s * s
		}
	}
	scale := float32(predictorStd / math.Sqrt(squares/float64(n*rows)))
	shift := float32((predictedFrom + predictorStd*quantile(predictedShare)) / (along / float64(n)))
	for v := range b.Vocab {
		row := fc2[v*predictorRank:][:predictorRank]
		for i := range row {
			row[i] *= scale
		}
		row[0] = shift
	}
	return ckpttest.WriteTorch(filepath.Join(b.out.dir, "model_lm_head.pt"), []ckpttest.Tensor{
		{Name: "fc1.weight", DType: "BF16", Shape: []int{predictorRank, h}, Data: fc1},
		{Name: "fc2.weight", DType: "BF16", Shape: []int{b.Vocab, predictorRank}, Data: fc2},
	}, nil)
}
