package main

import (
	"path/filepath"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
)

// Of a model of six layers, layer 8 holds what layer 2 does, and every record is intact.
func TestRepeat(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "6.stm"), filepath.Join(dir, "9.stm")
	checkpoint := filepath.FromSlash("../../../testdata/tiny-smallthinker")
	if _, err := convert.Run(t.Context(), checkpoint, from, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	if err := repeat(from, to, 9); err != nil {
		t.Fatal(err)
	}
	short, long := open(t, from), open(t, to)
	if short.Config.Layers != 6 || long.Config.Layers != 9 || long.Config.RoPELayout[8] != long.Config.RoPELayout[2] {
		t.Errorf("%d layers became %d, %v", short.Config.Layers, long.Config.Layers, long.Config.RoPELayout)
	}
	for i, record := range long.Records() {
		data := make([]byte, record.Length)
		if err := long.ReadRecord(&record, data); err != nil { // checks it
			t.Errorf("record %d: %v", i, err)
		}
	}
	got, _ := long.Expert(8, 3)
	want, _ := short.Expert(2, 3)
	if got.Checksum != want.Checksum {
		t.Errorf("expert 3 of layer 8 differs from that of layer 2")
	}
}

func open(t *testing.T, path string) *format.Reader {
	t.Helper()
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
