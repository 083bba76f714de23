package ckpttest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
)

// CopyWithPredictor copies the checkpoint in the directory from to the empty directory to, and adds a random predictor of the language-model head:
// model_lm_head.pt with fc1.weight [rank, hidden] and fc2.weight [vocab, rank].
func CopyWithPredictor(to, from string, vocab, hidden, rank int) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 9))
	random := func(name string, rows, cols int) Tensor {
		x := Tensor{Name: name, DType: "F32", Shape: []int{rows, cols}, Data: make([]float32, rows*cols)}
		for i := range x.Data {
			x.Data[i] = float32(rng.NormFloat64())
		}
		return x
	}
	return WriteTorch(filepath.Join(to, "model_lm_head.pt"), []Tensor{random("fc1.weight", rank, hidden), random("fc2.weight", vocab, rank)}, nil)
}
