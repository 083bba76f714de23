// Package checkpoint reads the weights of a Hugging Face checkpoint: named tensors in safetensors files or in the zip files
// that torch.save writes. It knows no architectures; what a tensor means is the caller's business.
//
//	c, err := checkpoint.Open("SmallThinker-4BA0.6B-Instruct")
//	if err != nil { … }
//	defer c.Close()
//	t, ok := c.Lookup("model.embed_tokens.weight")
//	row := make([]float32, t.Cols())
//	err = t.ReadRows(row, 17, 1) // row 17, as float32
//
// [Open] reads headers only. It checks everything that can be checked without reading the weights: that every byte of a
// safetensors file belongs to exactly one tensor, that an index and its shards name the same tensors, that a view lies within
// its torch storage. A checkpoint that opens is complete as far as its own headers tell. Weights are read by position, in
// pieces of a fixed size, so memory use does not depend on the size of a tensor, and any number of goroutines may read at once.
//
// Checkpoints come from strangers. No input makes the package panic, run code or allocate without bound; each error is one
// line that names the file and the tensor or field, and has a kind, by which the caller says what to do.
//
// Where to find what:
//
//   - open.go: opens the weight files at a path and gathers their tensors; set.go: which files these are
//   - sniff.go: what lies in the place of a file: pointers, web pages, archives
//   - index.go: model.safetensors.index.json and its torch twin
//   - reader_safetensors.go, json.go: the safetensors header
//   - reader_torch.go: the zip file; pickle.go: its data.pkl; opcodes.go: what a pickle may hold; view.go: sizes and strides
//   - tensor.go, strided.go, decode.go: a tensor, and reading its rows; dtype.go: element types
//   - file.go: access to files; errors.go: the kinds of errors, and how names are shown in them
//
// The sub-package ckpttest writes checkpoints for tests.
package checkpoint
