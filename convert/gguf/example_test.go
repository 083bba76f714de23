package gguf_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"st/convert/gguf"
	"st/format"
)

// A file is written from start to end, and read in any order.
func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.gguf")
	if err := write(path); err != nil {
		panic(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Println(f.General().Name, "has", len(f.Tensors), "tensor")

	name := gguf.Name{Role: format.RoleGate, Layer: 0, Experts: true}
	gate, ok := f.Lookup(name.String())
	fmt.Println(name, ok, gate.Shape, gate.Type)

	expert := gate.Slice(1) // [ffn, hidden]
	row := make([]float32, expert.Cols())
	if err := expert.ReadRows(context.Background(), row, 0, 1); err != nil {
		panic(err)
	}
	fmt.Println(row)
	// Output:
	// Small has 1 tensor
	// blk.0.ffn_gate_exps.weight true [2 1 4] F16
	// [1 1 1 1]
}

func write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	metadata := gguf.Metadata{{Key: "general.architecture", Value: "smallthinker"}, {Key: "general.name", Value: "Small"}}
	w, err := gguf.NewWriter(file, metadata, []gguf.Info{{Name: "blk.0.ffn_gate_exps.weight", Shape: []int{2, 1, 4}, Type: gguf.F16}})
	if err != nil {
		return err
	}
	for range 8 {
		if _, err := w.Write([]byte{0x00, 0x3c}); err != nil { // 1 as a float16
			return err
		}
	}
	return w.Close()
}
