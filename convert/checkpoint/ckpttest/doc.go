// Package ckpttest writes checkpoints for tests: safetensors files, the zip files of torch.save, and the indexes of sharded
// checkpoints, laid out as their own tools do, from values given as float32.
//
//	err := ckpttest.WriteSafetensors(path, []ckpttest.Tensor{
//		{Name: "model.norm.weight", DType: "BF16", Shape: []int{4}, Data: []float32{1, 2, 3, 4}},
//	})
//
// It checks little: a test that wants a malformed file can say so. It does not import the reader, so the reader's own tests may
// import it.
package ckpttest
