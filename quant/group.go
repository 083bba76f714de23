package quant

// GroupRows is the number of rows that are laid together as a group: one per 32-bit lane of a 512-bit register, two
// registers of eight on AVX2, four of four on NEON.
const GroupRows = 16

// A group is sixteen rows of a block type, interleaved for products with a vector. It goes block by block, two at a time:
//
//	scales of the first block, of all 16 rows     32 bytes
//	scales of the second block                    32 bytes
//	quants of the first block                     256 bytes (Q4_0) or 512 bytes (Q8_0)
//	quants of the second block                    as many
//
// and a last block that has no partner comes alone in the same way. The quants of a block are in 4-byte words, word 0 of
// row 0, 1, …, 15, then word 1 of every row, and so on: a vector of sixteen 32-bit lanes has one row in each lane, so it
// sums up sixteen products with no horizontal addition. Everything is in one sequential stream, and aligned to 64 bytes
// if the group is.

// GroupBytes returns the bytes of a group of rows of n weights.
func (t Type) GroupBytes(n int) int { return GroupRows * t.RowBytes(n) }

// groupBlock returns where block b of nb lies in a group: its scales, and its quants of size bytes for all rows.
func (t Type) groupBlock(b, nb int) (scales, quants, size int) {
	const scaleBytes = 2 * GroupRows
	size = GroupRows * types[t].quantBytes
	pair := b / 2 * 2
	partners := min(2, nb-pair)
	at := pair * (scaleBytes + size)
	return at + (b-pair)*scaleBytes, at + partners*scaleBytes + (b-pair)*size, size
}

// EncodeGroup stores GroupRows rows, one after the other in src, as a group in dst ([Type.GroupBytes]). scratch is as long
// as dst. t must be a block type.
func (e *Encoder) EncodeGroup(t Type, dst []byte, src []float32, scratch []byte) {
	n := len(src) / GroupRows
	quants, scales := scratch[:t.QuantBytes(len(src))], scratch[t.QuantBytes(len(src)):][:t.ScaleBytes(len(src))]
	e.Encode(t, quants, scales, src) // rows are whole blocks, so they encode like one long row
	t.PackGroup(dst, quants, scales, n)
}

// PackGroup stores GroupRows rows of n weights, whose quants and scales lie one row after the other, as a group in dst.
func (t Type) PackGroup(dst, quants, scales []byte, n int) {
	nb, blockBytes := n/BlockSize, types[t].quantBytes
	for b := range nb {
		s, q, _ := t.groupBlock(b, nb)
		for r := range GroupRows {
			le.PutUint16(dst[s+2*r:], le.Uint16(scales[2*(r*nb+b):]))
			block := quants[(r*nb+b)*blockBytes:][:blockBytes]
			to := dst[q+4*r:]
			for w := 0; w < blockBytes; w += 4 {
				le.PutUint32(to[w*GroupRows:], le.Uint32(block[w:]))
			}
		}
	}
}

// UnpackGroupRow fills quants and scales with those of row r of a group of rows of n weights.
func (t Type) UnpackGroupRow(quants, scales, group []byte, n, r int) {
	nb, blockBytes := n/BlockSize, types[t].quantBytes
	for b := range nb {
		s, q, _ := t.groupBlock(b, nb)
		for w := 0; w < blockBytes; w += 4 {
			copy(quants[b*blockBytes+w:][:4], group[q+w*GroupRows+4*r:])
		}
		copy(scales[2*b:][:2], group[s+2*r:])
	}
}

// DecodeGroupRow fills dst with row r of a group.
func (t Type) DecodeGroupRow(dst []float32, group []byte, r int) {
	nb, blockBytes := len(dst)/BlockSize, types[t].quantBytes
	var block [BlockSize]byte
	for b := range nb {
		s, q, _ := t.groupBlock(b, nb)
		for w := 0; w < blockBytes; w += 4 {
			copy(block[w:w+4], group[q+w*GroupRows+4*r:])
		}
		t.Decode(dst[b*BlockSize:][:BlockSize], block[:blockBytes], group[s+2*r:][:2])
	}
}

// GroupBlock returns the scales (16 float16, one a row) and the quants of block b of nb in a group.
func (t Type) GroupBlock(group []byte, b, nb int) (scales, quants []byte) {
	s, q, size := t.groupBlock(b, nb)
	return group[s : s+2*GroupRows : s+2*GroupRows], group[q : q+size : q+size]
}
