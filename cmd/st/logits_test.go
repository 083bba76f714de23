package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readNPY reads a file in the form that package npy writes.
func readNPY(t *testing.T, path string) (header string, data []float32) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(file, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%s begins with %q", path, file[:8])
	}
	end := 10 + int(binary.LittleEndian.Uint16(file[8:]))
	for i := end; i < len(file); i += 4 {
		data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(file[i:])))
	}
	return string(file[10:end]), data
}

func TestLogits(t *testing.T) {
	dir := t.TempDir()
	model, out := filepath.Join(dir, "f32.stm"), filepath.Join(dir, "out.npy")
	must(t, "convert", checkpoint, "-o", model, "--type", "f32")
	tokens, err := os.ReadFile(filepath.Join(checkpoint, "golden_tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, "logits", model, "--tokens", string(tokens), "-o", out)
	header, got := readNPY(t, out)
	goldenHeader, want := readNPY(t, filepath.Join(checkpoint, "golden_logits.npy"))
	if strings.TrimSpace(header) != strings.TrimSpace(goldenHeader) || (10+len(header))%64 != 0 || header[len(header)-1] != '\n' {
		t.Errorf("header %q, NumPy writes %q", header, goldenHeader)
	}
	if len(got) != len(want) {
		t.Fatalf("%d numbers, want %d", len(got), len(want))
	}
	var top float64
	for i := range want {
		top = max(top, math.Abs(float64(got[i])-float64(want[i])))
	}
	if top > 2e-3 {
		t.Errorf("max |Δlogit| is %g", top)
	}
	must(t, "logits", model, "--tokens", "1", "-o", out, "--force", "--kv-type", "q8_0", "--threads", "1")
	if names := list(t, dir); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
}
