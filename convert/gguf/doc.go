// Package gguf reads the header of a GGUF file: what it says of the model, and which tensors it has, of what shape and type. It reads no
// weights. Versions 2 and 3 of the format are known, in little-endian.
//
//	f, err := gguf.Open("model.gguf")
//	for _, t := range f.Tensors { … }
//
// The format, as its specification in the ggml project has it:
//
//	"GGUF", uint32 version, uint64 tensors, uint64 metadata entries
//	each entry:  string key, uint32 type, value
//	each tensor: string name, uint32 dimensions, uint64 each, the innermost first, uint32 type, uint64 offset
//	padding to general.alignment (32), and there the offsets begin
//
// A string is a uint64 length and its bytes; an array is the type of its elements, a uint64 count, and the elements.
package gguf
