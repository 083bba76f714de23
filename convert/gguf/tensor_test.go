package gguf

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// counting counts how often each byte is read.
type counting struct {
	*bytes.Reader
	mu    sync.Mutex
	reads []int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n {
		c.reads[int(off)+i]++
	}
	return n, err
}

// experts is a tensor of several reads: [3, 40, 2048] of Q6_K, 420 KiB.
func experts(t *testing.T) (*Tensor, *counting) {
	t.Helper()
	data := written(t, nil, []Info{{"blk.0.ffn_down_exps.weight", []int{3, 40, 8192}, Q6_K}})
	c := &counting{Reader: bytes.NewReader(data), reads: make([]int, len(data))}
	s, err := newShard("m.gguf", c, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFile([]*shard{s})
	if err != nil {
		t.Fatal(err)
	}
	clear(c.reads)
	return f.Tensors[0], c
}

// The rows of a slice are those of the tensor, in whatever pieces and by however many goroutines they are read, and each byte is read once.
func TestReadRows(t *testing.T) {
	w, c := experts(t)
	if w.Rows() != 120 || w.Cols() != 8192 || w.RowBytes() != 32*210 {
		t.Fatalf("%d rows of %d in %d bytes", w.Rows(), w.Cols(), w.RowBytes())
	}
	raw := make([]byte, w.Bytes())
	if err := w.ReadBlocks(t.Context(), raw, 0, w.Rows()); err != nil {
		t.Fatal(err)
	}
	want := make([]float32, w.Rows()*w.Cols())
	decodeQ6_K(want, raw)
	clear(c.reads)
	got := make([]float32, len(want))
	var wg sync.WaitGroup
	for e := range w.Shape[0] {
		part := w.Slice(e)
		if !slices.Equal(part.Shape, []int{40, 8192}) || part.Rows() != 40 || part.Bytes() != w.Bytes()/3 {
			t.Fatalf("slice %d is %+v", e, part)
		}
		for row := 0; row < 40; row += 13 {
			n := min(13, 40-row)
			wg.Go(func() {
				if err := part.ReadRows(t.Context(), got[(40*e+row)*8192:][:n*8192], row, n); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for i := range want {
		if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("weight %d is %g, want %g", i, got[i], want[i])
		}
	}
	for i, n := range c.reads[w.Offset():][:w.Bytes()] {
		if n != 1 {
			t.Fatalf("byte %d was read %d times", i, n)
		}
	}
}

// Rows of the types that models have are read without a change, as package quant keeps them.
func TestReadQuants(t *testing.T) {
	for _, typ := range []Type{F32, F16, BF16, Q4_0, Q8_0} {
		f, err := parse(written(t, nil, []Info{{"first", []int{5}, F32}, {"w", []int{100, 8192}, typ}}))
		if err != nil {
			t.Fatal(err)
		}
		w := f.Tensors[1]
		q, _ := typ.Quant()
		const row, n = 7, 90
		quants, scales := make([]byte, q.QuantBytes(n*8192)), make([]byte, q.ScaleBytes(n*8192))
		if err := w.ReadQuants(t.Context(), quants, scales, row, n); err != nil {
			t.Fatal(err)
		}
		want, got := make([]float32, n*8192), make([]float32, n*8192)
		if err := w.ReadRows(t.Context(), want, row, n); err != nil {
			t.Fatal(err)
		}
		q.Decode(got, quants, scales)
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) && got[i] == got[i] {
				t.Fatalf("%s: weight %d is %g, want %g", typ, i, got[i], want[i])
			}
		}
		if err := w.ReadQuants(t.Context(), quants[1:], scales, row, n); err == nil || !strings.Contains(err.Error(), "into a buffer of") {
			t.Errorf("%s: a short buffer: %v", typ, err)
		}
	}
	w, _ := experts(t)
	if err := w.ReadQuants(t.Context(), nil, nil, 0, 0); !errors.Is(err, ErrType) {
		t.Errorf("of Q6_K: %v", err)
	}
}

func TestReadRowsRefuses(t *testing.T) {
	w, c := experts(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	dst := make([]float32, 8192)
	for name, tt := range map[string]struct {
		ctx    context.Context
		row, n int
		want   string
	}{
		"before the first":   {t.Context(), -1, 1, "1 rows from row -1"},
		"after the last":     {t.Context(), 120, 1, "but it has 120"},
		"overflow":           {t.Context(), 1, int(^uint(0) >> 1), "but it has 120"},
		"buffer too short":   {t.Context(), 0, 2, "into a buffer of 8192, not 16384"},
		"cancelled":          {cancelled, 0, 1, "context canceled"},
		"number of negative": {t.Context(), 0, -1, "-1 rows"},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.ReadRows(tt.ctx, dst, tt.row, tt.n)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `m.gguf: tensor "blk.0.ffn_down_exps.weight": `) {
				t.Errorf("ReadRows: %v, want %q", err, tt.want)
			}
		})
	}
	if err := w.ReadRows(cancelled, dst, 0, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Reader.Reset(make([]byte, 1000)) // the file was cut
	if err := w.ReadRows(t.Context(), dst, 119, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a cut file: %v", err)
	}
	if err := w.ReadBlocks(t.Context(), make([]byte, w.RowBytes()), 119, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a cut file: %v", err)
	}
}

// Types that are known by name only, and unknown ones, open and are refused when they are read.
func TestUnsupportedTypes(t *testing.T) {
	for typ, want := range map[Type]string{16: "IQ2_XXS", 35: "TQ2_0", 39: "MXFP4", 31: "Q4_0_4_4", 99: "type 99"} {
		f, err := parse(append(start(1, 0).put("t", uint32(1), uint64(256), uint32(typ), uint64(0)).Bytes(), make([]byte, 512)...))
		if err != nil {
			t.Fatal(err)
		}
		err = f.Tensors[0].ReadRows(t.Context(), make([]float32, 256), 0, 1)
		if !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "its weights are "+want+":") {
			t.Errorf("type %d: %v", typ, err)
		}
		if f.Tensors[0].Type.Decodable() {
			t.Errorf("type %d is said to be decodable", typ)
		}
	}
}
