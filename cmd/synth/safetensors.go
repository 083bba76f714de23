package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
)

// dtype is an element type: put stores a value, round is what a reader gets back.
type dtype struct {
	name, torch string // in a safetensors header, in config.json
	size        int
	put         func(dst []byte, v []float32)
	round       func(v float32) float32
}

var dtypes = map[string]dtype{
	"bf16": {"BF16", "bfloat16", 2, func(dst []byte, v []float32) {
		for i, x := range v {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(math.Float32bits(roundBF16(x))>>16))
		}
	}, roundBF16},
	"f16": {"F16", "float16", 2, func(dst []byte, v []float32) {
		for i, x := range v {
			binary.LittleEndian.PutUint16(dst[2*i:], bitsF16(roundF16(x)))
		}
	}, roundF16},
	"f32": {"F32", "float32", 4, func(dst []byte, v []float32) {
		for i, x := range v {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
	}, func(v float32) float32 { return v }},
}

// roundBF16 rounds to nearest even.
func roundBF16(v float32) float32 {
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// roundF16 rounds to nearest even and saturates. Adding and taking away a number whose last bit is the half-precision
// unit at v's exponent makes the hardware do the rounding, subnormals included.
func roundF16(v float32) float32 {
	e := max(math.Float32bits(v)>>23&0xff, 127-14)
	magic := math.Float32frombits((e + 13) << 23) // 2^(exponent+13): a float32's unit there is 2^(exponent-10)
	r := float32(float32(abs(v)+magic) - magic)
	return float32(math.Copysign(float64(min(r, 65504)), float64(v)))
}

// bitsF16 encodes a value that half precision holds exactly.
func bitsF16(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	if a := abs(v); a < 0x1p-14 {
		return sign | uint16(a*0x1p24)
	}
	return sign | uint16((b&0x7fffffff-(127-15)<<23)>>13)
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// place is where a tensor's data lies.
type place struct {
	file   *os.File
	offset int64
	tensor tensor
}

// checkpoint writes tensors into safetensors shards whose layout is fixed up front, so that they may come in any order
// and from any goroutine.
type checkpoint struct {
	dir     string
	dtype   dtype
	places  map[string]place
	files   []*os.File
	written atomic.Int64
	total   int64
}

// createCheckpoint lays the tensors out in dir and writes the headers and the index.
func createCheckpoint(dir string, ts []tensor, d dtype, shardSize int64) (*checkpoint, error) {
	c := &checkpoint{dir: dir, dtype: d, places: map[string]place{}}
	var shards [][]tensor
	room := int64(0)
	for _, t := range ts {
		n := int64(t.size() * d.size)
		if len(shards) == 0 || n > room {
			shards, room = append(shards, nil), shardSize
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
		room, c.total = room-n, c.total+n
	}
	weights := map[string]string{}
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := c.createShard(filepath.Join(dir, name), shard); err != nil {
			return nil, errors.Join(err, c.close())
		}
		for _, t := range shard {
			weights[t.name] = name
		}
	}
	index := map[string]any{"metadata": map[string]int64{"total_size": c.total}, "weight_map": weights}
	if err := writeJSON(filepath.Join(dir, "model.safetensors.index.json"), index); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *checkpoint) createShard(path string, ts []tensor) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var end int64
	for _, t := range ts {
		shape := []int{t.rows, t.cols}
		if t.rows == 0 {
			shape = shape[1:]
		}
		n := int64(t.size() * c.dtype.size)
		header[t.name] = entry{c.dtype.name, shape, [2]int64{end, end + n}}
		end += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ') // the data starts aligned
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	start := int64(8 + len(text))
	for _, t := range ts {
		c.places[t.name] = place{f, start + header[t.name].(entry).Offsets[0], t}
	}
	if _, err := f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)); err != nil {
		return err
	}
	return f.Truncate(start + end)
}

// write stores rows of a tensor, from row on.
func (c *checkpoint) write(name string, row int, v []float32) error {
	p, ok := c.places[name]
	if !ok || row*p.tensor.cols+len(v) > p.tensor.size() {
		return fmt.Errorf("%s: %d values at row %d do not fit", name, len(v), row)
	}
	buf := make([]byte, len(v)*c.dtype.size)
	c.dtype.put(buf, v)
	_, err := p.file.WriteAt(buf, p.offset+int64(row*p.tensor.cols*c.dtype.size))
	c.written.Add(int64(len(buf)))
	return err
}

func (c *checkpoint) close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
