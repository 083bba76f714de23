package format

import (
	"bytes"
	"testing"
)

// Whatever the bytes, opening and verifying a file neither panics nor reads out of bounds.
func FuzzOpen(f *testing.F) {
	good := testFile(f)
	f.Add(good)
	f.Add(good[:headerSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := openBytes(mend(bytes.Clone(b))) // what lies behind the checksums is to be reached
		if err != nil {
			return
		}
		for i := range r.Records() {
			rec := &r.Records()[i]
			buf := make([]byte, rec.Length)
			r.ReadRecord(rec, buf)
			for j := range rec.Tensors {
				tensor := &rec.Tensors[j]
				tensor.DecodeRow(make([]float32, tensor.Cols), buf, tensor.Rows-1)
			}
		}
	})
}

// The directory by itself: its checksum does not stand in the fuzzer's way.
func FuzzDirectory(f *testing.F) {
	r, err := openBytes(testFile(f))
	if err != nil {
		f.Fatal(err)
	}
	dense, _ := r.section(sectionDense)
	experts, _ := r.section(sectionExperts)
	f.Add(encodeDirectory(r.records))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := decodeDirectory(b, Version, dense, experts)
		if err != nil {
			return
		}
		for i := range records {
			buf := make([]byte, records[i].Length)
			for j := range records[i].Tensors {
				tensor := &records[i].Tensors[j]
				for _, row := range []int{0, tensor.Rows - 1} {
					tensor.DecodeRow(make([]float32, tensor.Cols), buf, row)
				}
			}
		}
	})
}
