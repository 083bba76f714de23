package weightstats

import (
	"math/rand/v2"
	"testing"

	"st/format"
	"st/quant"
)

// The speed of one core, in bytes of the file.
func BenchmarkScan(b *testing.B) {
	for _, tt := range []struct {
		name   string
		typ    quant.Type
		layout format.Layout
	}{
		{"q4_0 groups", quant.Q4_0, format.Groups16}, {"q4_0 rows", quant.Q4_0, format.Rows},
		{"q8_0 groups", quant.Q8_0, format.Groups16}, {"q8_0 rows", quant.Q8_0, format.Rows},
		{"f32", quant.F32, format.Rows}, {"f16", quant.F16, format.Rows}, {"bf16", quant.BF16, format.Rows},
	} {
		b.Run(tt.name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			tensor, record := testTensor(tt.typ, tt.layout, 768, 1536, 0, func(r, c int) float32 { return float32(rng.NormFloat64()) })
			b.SetBytes(int64(len(record)))
			var s scanner
			for b.Loop() {
				s.scan(tensor, record, new(sketch), 0)
			}
		})
	}
}
