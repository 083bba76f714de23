package engine

import (
	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// pieceBytes is about the size of the pieces that feed-forward networks are read in, at most: large enough for any disk, and small enough that a few
// of them are no burden. Tests make it smaller.
var pieceBytes int64 = 8 << 20

// ringPieces is the number of pieces that there is room for while they are on their way: those that are read at once, one that is computed with, and
// one that waits. More of them would help as much as keeping as many pieces does.
const ringPieces = readers + 2

// ffnPieces is how the feed-forward networks of a dense model are cut up, in the order in which they run: a layer's gate and up by neurons, then its
// down by outputs. Each piece is computed with as the whole is, so that they change no bit.
type ffnPieces struct {
	pieces []ffnPiece
	first  []int // by layer: its first piece; one more at the end
	slot   int64 // bytes that the longest piece takes
}

// ffnPiece is a part of one layer: rows [from, to) of gate and up, or of down.
type ffnPiece struct {
	layer    int
	from, to int
	isDown   bool
	parts    []ffnPart // of gate and up, or of down
	at       int64     // where it stays if it is kept: bytes of the pieces before it
	bytes    int64     // of the pages of its parts
}

// ffnPart is a part [from, to) of a record's bytes.
type ffnPart struct {
	record   *format.Record
	tensor   *format.Tensor
	from, to int64
	at       int64  // where it begins in the memory of its piece
	sum      uint64 // its checksum, once the record's was compared
}

// pages returns the whole pages of the file that hold a part.
func (p *ffnPart) pages() (from, to int64) {
	return pages(p.record.Offset+p.from, p.record.Offset+p.to)
}

// newFFNPieces cuts up the networks of a dense model, but those of sparse activations, which are not computed piece by piece. It returns nil if that
// saves no memory, and if a file lacks some of them, which whoever binds them tells.
func newFFNPieces(r *format.Reader) *ffnPieces {
	c := &r.Config
	if c.MoE != nil {
		return nil
	}
	f := &ffnPieces{first: make([]int, 0, c.Layers+1)}
	roles := [][]format.Role{{format.RoleGate, format.RoleUp}, {format.RoleDown}}
	largest := int64(0) // of the downs
	for l := range c.Layers {
		rec, _, ok := r.Role(format.RoleDown, l)
		if !ok {
			return nil
		}
		largest = max(largest, rec.Length)
	}
	size := largest / ((largest + pieceBytes - 1) / pieceBytes) // so that pieces are of about the same size
	for l := range c.Layers {
		f.first = append(f.first, len(f.pieces))
		for i, roles := range roles {
			if !c.SparseFFN(l) && !f.cut(r, l, roles, i == 1, size) {
				return nil
			}
		}
	}
	f.first = append(f.first, len(f.pieces))
	home := int64(0)
	for i := range f.pieces {
		p := &f.pieces[i]
		p.at = home
		home += p.bytes
		f.slot = max(f.slot, p.bytes)
	}
	if len(f.pieces) == 0 || f.ring() >= f.total() {
		return nil
	}
	return f
}

// cut cuts the matrices of some roles of a layer, which have as many rows, into pieces of about a size.
func (f *ffnPieces) cut(r *format.Reader, l int, roles []format.Role, isDown bool, size int64) bool {
	var whole []ffnPart
	bytes, rows := int64(0), 0
	for _, role := range roles {
		rec, t, ok := r.Role(role, l)
		if !ok || rows > 0 && t.Rows != rows {
			return false
		}
		rows, bytes = t.Rows, bytes+rec.Length
		whole = append(whole, ffnPart{record: rec, tensor: t})
	}
	groups := neuronGroups(rows)
	n := int(min(max(1, (bytes+size-1)/size), int64(groups)))
	for i := range n {
		p := ffnPiece{layer: l, isDown: isDown, from: groups * i / n * quant.GroupRows, to: min(groups*(i+1)/n*quant.GroupRows, rows)}
		for _, part := range whole {
			part.cut(p.from, p.to)
			part.at = p.bytes
			from, to := part.pages()
			p.bytes += to - from
			p.parts = append(p.parts, part)
		}
		f.pieces = append(f.pieces, p)
	}
	return true
}

// cut sets the bytes that rows [from, to) have. What lies around them in the record belongs to the first and to the last rows.
func (p *ffnPart) cut(from, to int) {
	t := p.tensor
	unit := func(row int) int64 { return t.Offset + int64((row+t.UnitRows()-1)/t.UnitRows())*t.Stride }
	p.from, p.to = unit(from), unit(to)
	if from == 0 {
		p.from = 0
	}
	if to == t.Rows {
		p.to = p.record.Length
	}
}

// matrix returns the rows [from, to) that the part has, given the memory of its piece.
func (p *ffnPart) matrix(piece []byte, from, to int) kernel.Matrix {
	first, _ := p.pages()
	data := piece[p.at+p.record.Offset+p.from-first:]
	if from == 0 {
		data = data[p.tensor.Offset:]
	}
	m := shapeOf(p.tensor)
	m.Rows, m.Data = to-from, data
	return m
}

// of returns the pieces of a layer, by their numbers: none if it is not cut up.
func (f *ffnPieces) of(layer int) (from, to int) { return f.first[layer], f.first[layer+1] }

// ring returns the memory that pieces on their way take.
func (f *ffnPieces) ring() int64 { return int64(min(ringPieces, len(f.pieces))) * f.slot }

// total returns the memory in which all pieces stay, beside the ring.
func (f *ffnPieces) total() int64 { return f.home(len(f.pieces)) }

// home returns the memory in which the first n pieces stay, beside the ring: where the one after them would be.
func (f *ffnPieces) home(n int) (bytes int64) {
	if n > 0 {
		last := &f.pieces[n-1]
		bytes = last.at + last.bytes
	}
	return bytes
}

// resident returns how many pieces stay in so much memory beside the ring: the first ones. Layers run in a circle, so any policy by recency would give
// up what is needed next; a fixed choice is the best, and which pieces it is of does not matter.
func (f *ffnPieces) resident(bytes int64) int {
	n := 0
	for n < len(f.pieces) && f.home(n+1) <= bytes {
		n++
	}
	return n
}

// has reports whether a record is cut up: it is not among those that stay as a whole.
func (f *ffnPieces) has(rec *format.Record) bool {
	if f == nil || rec.Layer < 0 || rec.IsExpert() {
		return false
	}
	from, to := f.of(rec.Layer)
	return from < to && rec.Tensors[0].Role.PerExpert()
}
