package calibration_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"st/convert/calibration"
	"st/format"
	"st/format/outfile"
)

// What a run of the model shows a Collector is written to a file, and tells how much columns of a matrix count.
func Example() {
	config := &format.Config{Layers: 1, Hidden: 2, Heads: 1, HeadDim: 2, FFN: 3, Activation: format.SiLU}
	c := calibration.NewCollector(config, nil)
	c.AttentionInput(0, []float32{1, 2, 3, 4}) // of two tokens, as an observer of the engine
	c.AttentionOutput(0, []float32{1, 1, 1, 1})
	c.FFNInput(0, []float32{1, 1, 1, 1})
	c.HeadInput([]float32{1, 1, 1, 1})

	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "stats.safetensors")
	if err := outfile.Write(path, outfile.Options{}, func(w io.Writer) error { return c.Statistics().Write(w) }); err != nil {
		panic(err)
	}

	s, err := calibration.Open(path)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	if err := s.Check(config); err != nil { // does it belong to the model?
		panic(err)
	}
	fmt.Println(s.Tokens(), s.Importance(calibration.PlaceOf(format.RoleQuery, 0, -1)))
	// Output: 2 [5 10]
}
