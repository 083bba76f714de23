// Package modeltest makes small random checkpoints for tests, of every architecture and of any shape, and computes their logits in a way
// that shares nothing with the runtime: from the published descriptions, in float64, every position from scratch.
//
//	m := modeltest.New(modeltest.Shape{Layers: 2, Hidden: 64, …}, 1)
//	err := m.Write(dir)            // config.json and model.safetensors
//	logits := m.Logits(tokens)     // [tokens][vocab]
package modeltest
