package eval

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
)

// smallLogits is a logits file of two windows of five tokens: four records.
func smallLogits() []byte {
	h := logitsHeader{vocab: 6, fingerprint: 7, Windows: Windows{[]int32{0, 1, 2, 3, 4, 5, 0, 1, 2, 3}, 5}}
	b := h.encode()
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range h.Scored() {
		q := position{logits: randomLogits(rng, h.vocab, 2), next: int32(i), save: make(record, recordSize(h.vocab))}
		q.score()
		b = append(b, q.save...)
	}
	return b
}

// readLogits reads a whole file the way st eval does.
func readLogits(path string) (h logitsHeader, nlls []float64, err error) {
	f, err := Open(path)
	if err != nil {
		return h, nil, err
	}
	defer f.Close()
	r := make(record, recordSize(f.vocab))
	for range f.Scored() {
		if err := f.next(r); err != nil {
			return h, nil, err
		}
		_, nll, _, ok := r.open()
		if !ok {
			return h, nil, fmt.Errorf("%s is damaged", path)
		}
		nlls = append(nlls, nll)
	}
	return f.logitsHeader, nlls, nil
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.logits")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogitsFile(t *testing.T) {
	data := smallLogits()
	h, nlls, err := readLogits(writeTemp(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if h.vocab != 6 || h.fingerprint != 7 || h.Length != 5 || h.Count() != 2 || h.size() != int64(len(data)) ||
		!slices.Equal(h.At(1), []int32{5, 0, 1, 2, 3}) || len(nlls) != 4 {
		t.Errorf("%+v, %v", h, nlls)
	}
}

// Every byte is checked, and so is the length.
func TestDamagedLogitsFile(t *testing.T) {
	data := smallLogits()
	path := writeTemp(t, data)
	fails := func(what string, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readLogits(path); err == nil || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 0x41
		fails(fmt.Sprintf("byte %d differs", i), damaged)
		fails(fmt.Sprintf("truncated to %d bytes", i), data[:i])
	}
	fails("a byte follows", append(bytes.Clone(data), 0))
}

func TestWrongLogitsHeader(t *testing.T) {
	const most = 1<<32 - 1
	for _, tt := range []struct {
		at    int
		value uint32
		want  string
	}{
		{0, 0, "holds no logits"},
		{8, 2, "has version 2, this program reads version 1"},
		{12, 0, "a vocabulary of 0"},
		{12, 5, "token 5 is 5, outside of its vocabulary of 5"},
		{12, 7, "is truncated: it has"},
		{12, most, "is truncated: its"},
		{16, 0, "windows of 0 tokens"},
		{16, 3, "windows of 3 tokens"},
		{16, most, "is truncated: its"},
		{20, 0, "0 windows"},
		{20, most, "is truncated: its"},
		{32, most, "token 0 is -1"},
	} {
		// The checksum is right, so that it does not hide the error.
		data := smallLogits()
		binary.LittleEndian.PutUint32(data[tt.at:], tt.value)
		end := logitsHeadSize + 4*10
		binary.LittleEndian.PutUint64(data[end:], xxh3.Hash(data[:end]))
		path := writeTemp(t, data)
		if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), path+" ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d at %d: %v, want %q", tt.value, tt.at, err, tt.want)
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}
