// Package gguf reads and writes GGUF files, the model files of llama.cpp: their metadata, and their tensors as float32 or as the blocks that they
// are stored in. It runs no model.
//
//	f, err := gguf.Open("model.gguf") // or any file of a split set, model-00001-of-00003.gguf
//	if err != nil { … }
//	defer f.Close()
//	m, err := f.Model()                                                  // its hyperparameters
//	v, err := f.Vocabulary()                                             // tok, err := tokenizer.ParseGGUF(v.Tokens)
//	t, ok := f.Lookup(gguf.Name{format.RoleGate, 0, true}.String())      // [experts, ffn, hidden] of layer 0
//	expert := t.Slice(7)                                                 // [ffn, hidden]
//	row := make([]float32, expert.Cols())
//	err = expert.ReadRows(ctx, row, 17, 1)                               // row 17
//
// The format, as its specification in the ggml project has it, in little-endian, versions 2 and 3:
//
//	"GGUF", uint32 version, uint64 tensors, uint64 metadata entries
//	each entry:  string key, uint32 type, value
//	each tensor: string name, uint32 dimensions, uint64 each, the innermost first, uint32 type, uint64 offset
//	padding to general.alignment (32), and there the offsets begin
//
// A string is a uint64 length and its bytes; an array is the type of its elements, a uint64 count, and the elements.
//
// [Open] reads headers only, and checks all that can be checked without the weights. Files come from strangers: no input makes the package panic or
// allocate more than a small multiple of the file's header; each error is one line that names the file and the entry or tensor. Weights are read by
// position, each byte once, by any number of goroutines at a time. Decoding gives the numbers that ggml gives, to the bit.
//
// Where to find what:
//
//   - file.go, split.go: a file, and a set of files; header.go: its header; metadata.go: its entries
//   - tensor.go: reading tensors; types.go: their types; dequant.go, dequant_k.go, dequant_iq.go: decoding
//   - model.go, names.go, vocabulary.go: what the metadata and the names mean for the architectures that are known
//   - writer.go: writing a file
package gguf
