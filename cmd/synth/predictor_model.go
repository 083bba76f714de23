package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"st/format"
	"st/runtime"
)

// fitWindow is the length of the windows in which the text for a predictor is run.
const fitWindow = 512

// fitBatch is how many tokens' logits are looked at together.
const fitBatch = 32

// fitModel writes the predictor of a model's head, fitted on a text, to a directory: beside the weights of a checkpoint, say.
func fitModel(ctx context.Context, path, text, dir string, rank int) error {
	data, err := os.ReadFile(text)
	if err != nil {
		return err
	}
	m, err := runtime.Open(ctx, path, runtime.Options{KVType: runtime.KVF32})
	if err != nil {
		return err
	}
	defer m.Close()
	h, err := readHead(path)
	if err != nil {
		return err
	}
	tokens, err := m.EncodePlain(string(data))
	if err != nil {
		return err
	}
	x, err := h.inputs(ctx, m, tokens)
	if err != nil {
		return err
	}
	fc1, fc2, err := h.fit(x, rank)
	if err != nil {
		return err
	}
	return writePredictor(dir, fc1, fc2, rank)
}

// readHead reads the head of a model's file.
func readHead(path string) (*lmHead, error) {
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rec, t, ok := r.Role(format.RoleHead, -1)
	if !ok {
		if rec, t, ok = r.Role(format.RoleEmbedding, -1); !ok {
			return nil, fmt.Errorf("%s has no language-model head", path)
		}
	}
	if r.Config.LogitSoftcap != 0 {
		return nil, fmt.Errorf("%s: its logits are bounded: they do not tell the head's inputs", path)
	}
	data := make([]byte, rec.Length)
	if err := r.ReadRecord(rec, data); err != nil {
		return nil, err
	}
	return &lmHead{t.Rows, t.Cols, func(v int, dst []float32) { t.DecodeRow(dst, data, v) }}, nil
}

// inputs returns the inputs x of the head for a text, [tokens, hidden]. Logits are y = w·x, so that x is (wᵀ·w)⁻¹·wᵀ·y: there are more rows than
// columns.
func (h *lmHead) inputs(ctx context.Context, m *runtime.Model, tokens []int32) ([]float32, error) {
	w := make([]float32, h.vocab*h.hidden)
	columns := make([]float32, len(w))
	for v := range h.vocab {
		row := w[v*h.hidden:][:h.hidden]
		h.row(v, row)
		for i, x := range row {
			columns[i*h.vocab+v] = x
		}
	}
	var b []float64 // [tokens, hidden]
	var batch []float32
	flush := func() {
		for _, v := range project(batch, columns, h.vocab) {
			b = append(b, float64(v)/float64(h.vocab))
		}
		batch = batch[:0]
	}
	for _, window := range m.Windows(tokens, fitWindow) {
		if err := m.Logits(ctx, window, func(_ int, logits []float32) error {
			if batch = append(batch, logits...); len(batch) == fitBatch*h.vocab {
				flush()
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	flush()
	n := len(b) / h.hidden
	if n == 0 {
		return nil, errors.New("the text is empty")
	}
	right := make([]float64, len(b)) // [hidden, tokens]
	for t := range n {
		for i := range h.hidden {
			right[i*n+t] = b[t*h.hidden+i]
		}
	}
	if err := solve(gram(w, h.hidden), right, h.hidden, n); err != nil {
		return nil, err
	}
	x := make([]float32, len(b))
	for t := range n {
		for i := range h.hidden {
			x[t*h.hidden+i] = float32(right[i*n+t])
		}
	}
	return x, nil
}
