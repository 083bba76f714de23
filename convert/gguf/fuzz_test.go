package gguf

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"st/tokenizer"
)

// FuzzOpen: whatever a file holds, it is refused with an error of one line, or everything in it can be read.
func FuzzOpen(f *testing.F) {
	add := func(data []byte) { f.Add(uint8(le.Uint64(data[8:])), uint8(le.Uint64(data[16:])), data[24:]) }
	add(model())
	add(written(f, everyType[:14], []Info{{"a.weight", []int{3, 64}, Q4_0}, {"experts", []int{2, 1, 256}, Q6_K}, {"half", []int{1, 1, 1, 7}, F16}}))
	add(written(f, everyType[15:], nil))
	add(written(f, vocabularyOf(), nil))
	small := with(smallThinker4B(), Entry{"smallthinker.block_count", uint32(1)}, Entry{"smallthinker.embedding_length", uint32(32)},
		Entry{"smallthinker.attention.sliding_window", uint32(8)})
	add(written(f, small, []Info{{"token_embd.weight", []int{4, 32}, Q8_0}, {"blk.0.ffn_down_exps.weight", []int{32, 768, 32}, Q4_0}}))
	// The start of the file is made here, so that what is tried gets behind it.
	f.Fuzz(func(t *testing.T, tensors, entries uint8, body []byte) {
		file, err := parse(append(start(uint64(tensors), uint64(entries)).Bytes(), body...))
		if err != nil {
			checkError(t, err)
			return
		}
		readAll(t, file)
		if _, err := file.Model(); err != nil {
			checkError(t, err)
		}
		if v, err := file.Vocabulary(); err != nil {
			checkError(t, err)
		} else if _, err := tokenizer.ParseGGUF(v.Tokens); err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("error %q", err)
		}
		file.General()
		// What was read can be written, and is the same then.
		var b bytes.Buffer
		if _, err := NewWriter(&b, with(file.Metadata, Entry{"general.alignment", nil}), nil); err != nil {
			t.Fatal(err)
		}
		again, err := parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range with(file.Metadata, Entry{"general.alignment", nil}) {
			if other := again.Metadata[i]; other.Key != e.Key || other.Type() != e.Type() || other.Text() != e.Text() {
				t.Errorf("%s %s %s was written, %s %s %s read", e.Key, e.Type(), e.Text(), other.Key, other.Type(), other.Text())
			}
		}
	})
}

// FuzzDecode: any bytes are blocks of any type, of which there are no others than those that were asked for.
func FuzzDecode(f *testing.F) {
	for typ := range types {
		f.Add(uint32(typ), uint8(2), []byte{0xff, 0x7b, 0, 0xff})
	}
	f.Fuzz(func(t *testing.T, typ uint32, rows uint8, data []byte) {
		info := types[Type(typ)]
		if info.decode == nil || rows == 0 {
			return
		}
		src := bytes.Repeat(append(data, 0), int(rows)*int(info.bytes)/(len(data)+1)+1)[:int(rows)*int(info.bytes)]
		dst := make([]float32, int(rows)*int(info.block)+1)
		dst[len(dst)-1] = 42
		info.decode(dst[:len(dst)-1], src)
		if dst[len(dst)-1] != 42 {
			t.Error("a weight behind the last was written")
		}
		one := make([]float32, info.block)
		info.decode(one, src[len(src)-int(info.bytes):])
		for i, v := range one {
			if w := dst[(int(rows)-1)*int(info.block)+i]; math.Float32bits(v) != math.Float32bits(w) {
				t.Errorf("weight %d of the last block is %g, and %g by itself", i, w, v)
			}
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if !strings.HasPrefix(err.Error(), "m.gguf: ") || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 2000 {
		t.Errorf("error %q", err)
	}
}
