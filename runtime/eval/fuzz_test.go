package eval

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
)

// mendLogits makes the checksums of the header and of the records right, wherever a header that is not absurd says that they are: what lies
// behind them is to be reached.
func mendLogits(b []byte) {
	le := binary.LittleEndian
	if len(b) < logitsHeadSize {
		return
	}
	vocab, window, count := uint64(le.Uint32(b[12:])), uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:]))
	if vocab > 1<<16 || window > 1<<16 || count > 1<<16 {
		return
	}
	at := logitsHeadSize + 4*count*window
	if uint64(len(b)) < at+checksumSize {
		return
	}
	le.PutUint64(b[at:], xxh3.Hash(b[:at]))
	size := uint64(recordSize(int(vocab)))
	for at += checksumSize; at+size <= uint64(len(b)); at += size {
		r := b[at : at+size]
		le.PutUint64(r[size-checksumSize:], xxh3.Hash(r[:size-checksumSize]))
	}
}

// FuzzLogits: whatever the bytes, opening and reading saved logits neither panics nor takes memory that the file's size does not account for;
// what is accepted can be compared with, and the tokens are in the vocabulary.
func FuzzLogits(f *testing.F) {
	good := smallLogits()
	f.Add(good)
	f.Add(good[:logitsHeadSize])
	f.Add(good[:len(good)-5])
	f.Add([]byte(logitsMagic))
	huge := append([]byte(nil), good...)
	binary.LittleEndian.PutUint32(huge[20:], 1<<32-1)
	f.Add(huge)
	path := filepath.Join(f.TempDir(), "x.logits")
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte(nil), b...)
		mendLogits(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, nlls, err := readLogits(path)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q", err)
			}
			return
		}
		if len(nlls) != h.Scored() || h.size() != int64(len(b)) {
			t.Errorf("%d records of %d, %d bytes of %d", len(nlls), h.Scored(), h.size(), len(b))
		}
		for _, id := range h.Tokens {
			if id < 0 || int(id) >= h.vocab {
				t.Errorf("token %d of a vocabulary of %d", id, h.vocab)
			}
		}
		codes := make(record, recordSize(h.vocab))
		copy(codes, b[len(b)-len(codes):])
		base, _, _, ok := codes.open()
		if !ok {
			t.Fatal("the last record is damaged")
		}
		logits := make([]float32, h.vocab)
		lse, _ := logSumExp(logits, nil)
		if d := klDivergence(base, logits, lse); math.IsNaN(d) {
			t.Errorf("the divergence is %v", d)
		}
	})
}
