// Package quant holds the number formats that weights are stored in, and nothing else: it knows no files and no models.
//
// A row of n weights is stored as two byte strings: its quants, then its scales. F32, F16 and BF16 rows have quants only
// (one number per weight, little-endian). The block formats Q8_0 and Q4_0 cut the row into blocks of [BlockSize] weights
// that share one float16 scale; they are the formats of that name in GGUF, with the scales moved out of the blocks:
//
//	type   bytes of quants   bytes of scales   value of weight i in a block
//	F32    4n                0                 –
//	F16    2n                0                 –
//	BF16   2n                0                 –
//	Q8_0   n                 n/32 · 2          d · q[i]                      q int8
//	Q4_0   n/2               n/32 · 2          d · (q[i] − 8)                q 0…15; byte j holds q[j] low, q[j+16] high
//
// Encode a row, and read it back:
//
//	quants := make([]byte, quant.Q4_0.QuantBytes(len(row)))
//	scales := make([]byte, quant.Q4_0.ScaleBytes(len(row)))
//	quant.Q4_0.Encode(quants, scales, row)
//	quant.Q4_0.Decode(row, quants, scales)
//
// An [Encoder] finds better blocks of Q4_0 than rounding to nearest does, in the same format: by a search for the scale, or with
// [GPTQ]. docs/quantization.md tells what that brings.
//
// Rows that are always multiplied together are stored sixteen at a time, interleaved so that one 32-bit lane of a vector
// register belongs to one row: see [Encoder.EncodeGroup].
package quant
