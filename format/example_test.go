package format_test

import (
	"fmt"
	"os"
	"path/filepath"

	"st/format"
	"st/quant"
)

// A file is written record by record, in the order given, and read again.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "m.stm")
	if err := write(path); err != nil {
		panic(err)
	}

	r, err := format.Open(path) // header, metadata and directory are validated; no weights are read
	if err != nil {
		panic(err)
	}
	defer r.Close()
	rec, norm, ok := r.Role(format.RoleFinalNorm, -1)
	if !ok {
		panic("there is no final norm")
	}
	buf := make([]byte, rec.Length)
	if err := r.ReadRecord(rec, buf); err != nil { // reads and checks
		panic(err)
	}
	weights := make([]float32, norm.Cols)
	norm.DecodeRow(weights, buf, 0)
	fmt.Println(norm.Name, norm.Type, weights)
	// Output: model.norm.weight f32 [1 0.5 0.25 2]
}

func write(path string) error {
	meta := format.Meta{Config: format.Config{
		Architecture: "qwen3", Layers: 1, Hidden: 4, Heads: 1, KVHeads: 1, HeadDim: 4, Vocab: 1, Context: 1, FFN: 1,
		RoPETheta: 1e4, RoPELayout: []bool{true}, SlidingLayout: []bool{false}, Activation: format.SiLU,
	}}
	records := []format.Record{{Layer: -1, Expert: -1, Tensors: []format.Tensor{
		{Name: "model.norm.weight", Role: format.RoleFinalNorm, Type: quant.F32, Vector: true, Rows: 1, Cols: 4, Stride: 16},
	}}}
	w, err := format.Create(path, meta, records, format.CreateOptions{})
	if err != nil {
		return err
	}
	defer w.Abort() // removes what was written, unless it was committed
	data := make([]byte, records[0].Length)
	var e quant.Encoder
	records[0].Tensors[0].EncodeUnits(data, []float32{1, 0.5, 0.25, 2}, &e, make([]byte, 16))
	if _, err := w.Write(data); err != nil { // in pieces of any size
		return err
	}
	return w.Commit(format.Provenance{Tool: "an example"}) // checks that nothing is missing, syncs, renames
}
