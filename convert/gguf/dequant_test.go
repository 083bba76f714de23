package gguf

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// halvesAt tells where the float16 numbers lie in a block of each type.
var halvesAt = map[string][]int{
	"Q4_0": {0}, "Q4_1": {0, 2}, "Q5_0": {0}, "Q5_1": {0, 2}, "Q8_0": {0}, "Q2_K": {80, 82}, "Q3_K": {108}, "Q4_K": {0, 2}, "Q5_K": {0, 2},
	"Q6_K": {208}, "IQ4_NL": {0}, "IQ4_XS": {0},
}

// The order in which the blocks of the golden file were made.
var goldenOrder = []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS}

// splitMix is the generator of the blocks (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// goldenBlocks yields 65536 blocks of a type: random ones, whose first float16 is each of the patterns in turn, finite all of them.
func goldenBlocks(typ Type, seed int, yield func(i int, block []byte)) {
	s := splitMix(seed)
	size := typ.RowBytes(typ.Block())
	block := make([]byte, (size+7)/8*8)
	at := halvesAt[typ.String()]
	for i := range 1 << 16 {
		for k := 0; k < len(block); k += 8 {
			le.PutUint64(block[k:], s.next())
		}
		le.PutUint16(block[at[0]:], uint16(i))
		for _, k := range at {
			if block[k+1]&0x7c == 0x7c {
				block[k+1] &^= 0x40
			}
		}
		yield(i, block[:size])
	}
}

// Every decoder gives, to the bit, what ggml gives: testdata/README.md tells where the golden file is from.
func TestDequantizeAsGGML(t *testing.T) {
	blocks, hashes := map[string]string{}, map[string]string{}
	f, err := os.Open("testdata/dequantized.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if fields[1] == "hash" {
			hashes[fields[0]] = fields[2]
		} else {
			blocks[fields[0]+" "+fields[2]] = fields[3] + " " + fields[4]
		}
	}
	for seed, typ := range goldenOrder {
		t.Run(typ.String(), func(t *testing.T) {
			t.Parallel()
			hash, seen := uint64(0xcbf29ce484222325), 0
			out := make([]float32, typ.Block())
			goldenBlocks(typ, seed, func(i int, block []byte) {
				types[typ].decode(out, block)
				for _, v := range out {
					hash = (hash ^ uint64(math.Float32bits(v))) * 0x100000001b3
					hash ^= hash >> 29
				}
				want, ok := blocks[fmt.Sprintf("%s %04x", typ, i)]
				if !ok {
					return
				}
				seen++
				raw, floats, _ := strings.Cut(want, " ")
				if raw != hex.EncodeToString(block) {
					t.Fatalf("block %04x is not the one of the golden file", i)
				}
				for j, v := range out {
					if got := fmt.Sprintf("%08x", math.Float32bits(v)); got != floats[8*j:8*j+8] {
						t.Fatalf("block %04x, weight %d: %s, want %s", i, j, got, floats[8*j:8*j+8])
					}
				}
			})
			if got := fmt.Sprintf("%016x", hash); got != hashes[typ.String()] || seen != 2 {
				t.Errorf("the hash of all is %s, want %s (%d blocks were compared weight by weight, want 2)", got, hashes[typ.String()], seen)
			}
		})
	}
}

// The types that both packages have hold the same numbers, and blocks come apart and together again without a change.
func TestSplitBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []Type{Q4_0, Q8_0} {
		const n = 256
		raw := make([]byte, typ.RowBytes(n))
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		for b := 0; b < len(raw); b += len(raw) / (n / 32) {
			raw[b+1] &= 0x3f // a finite scale
		}
		q, ok := typ.Quant()
		if !ok || q.RowBytes(n) != len(raw) {
			t.Fatalf("%s is %s in package quant", typ, q)
		}
		quants, scales := make([]byte, q.QuantBytes(n)), make([]byte, q.ScaleBytes(n))
		SplitBlocks(typ, quants, scales, raw)
		want, got := make([]float32, n), make([]float32, n)
		types[typ].decode(want, raw)
		q.Decode(got, quants, scales)
		if !slices.Equal(got, want) {
			t.Errorf("%s: package quant decodes %v, want %v", typ, got, want)
		}
		joined := make([]byte, len(raw))
		JoinBlocks(typ, joined, quants, scales)
		if !slices.Equal(joined, raw) {
			t.Errorf("%s: the blocks are not the same after SplitBlocks and JoinBlocks", typ)
		}
	}
	for _, typ := range []Type{F32, F16, BF16} {
		if q, ok := typ.Quant(); !ok || q.Block() != 1 || q.RowBytes(8) != typ.RowBytes(8) {
			t.Errorf("%s is %s in package quant", typ, q)
		}
	}
	if q, ok := Q4_K.Quant(); ok {
		t.Errorf("Q4_K is %s in package quant", q)
	}
}

func BenchmarkDequantize(b *testing.B) {
	for _, typ := range append([]Type{F16, BF16}, goldenOrder...) {
		b.Run(typ.String(), func(b *testing.B) {
			dst := make([]float32, 1<<16)
			src := make([]byte, typ.RowBytes(len(dst)))
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				types[typ].decode(dst, src)
			}
		})
	}
}
