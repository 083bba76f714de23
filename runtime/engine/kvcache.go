package engine

import (
	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// kvPagePositions is the number of positions in a page of the KV cache.
const kvPagePositions = 256

// kvPage holds keys and values of n positions. Position p of KV head g is row g·n + p, so
// that a head's rows lie together.
type kvPage struct{ k, v []byte }

// kvLayer is one layer's keys and values of all positions that later tokens can still see. A layer with a window is a ring:
// position p is kept in slot p mod window.
type kvLayer struct {
	slots int // positions kept: the window, or the context
	pages []*kvPage
}

// kvCache is the KV cache of one sequence. Pages are made when they are first written.
type kvCache struct {
	typ      quant.Type
	heads    int
	headDim  int
	rowBytes int
	layers   []kvLayer
	rows     int    // tokens in a batch, at most
	batch    kvPage // keys and values of the batch that is in the works, of the current layer
	bytes    int64
}

func newKVCache(c *format.Config, t KVType, context, batch int) *kvCache {
	kv := &kvCache{typ: t.quant(), heads: c.KVHeads, headDim: c.HeadDim, rows: batch, layers: make([]kvLayer, c.Layers)}
	kv.rowBytes = kv.typ.RowBytes(c.HeadDim)
	for l := range kv.layers {
		slots := context
		if w := c.Window(l); w > 0 {
			slots = min(slots, w)
		}
		kv.layers[l] = kvLayer{slots: slots, pages: make([]*kvPage, (slots+kvPagePositions-1)/kvPagePositions)}
	}
	kv.batch = *kv.newPage(batch)
	return kv
}

// newPage makes a page with room for n positions; its rows are n apart.
func (kv *kvCache) newPage(n int) *kvPage {
	size := kv.heads * n * kv.rowBytes
	return &kvPage{make([]byte, size), make([]byte, size)}
}

// pageRows returns the number of positions in page i of a layer: the last one may be short.
func (l *kvLayer) pageRows(i int) int { return min(kvPagePositions, l.slots-i*kvPagePositions) }

// put encodes key and value of KV head g of the batch's token t.
func (kv *kvCache) put(t, g int, k, v []float32) {
	for _, x := range []struct {
		to   []byte
		from []float32
	}{{kv.batch.k, k}, {kv.batch.v, v}} {
		row := x.to[(g*kv.rows+t)*kv.rowBytes:][:kv.rowBytes]
		if kv.typ == quant.F16 {
			kernel.EncodeF16(row, x.from)
			continue
		}
		q := kv.typ.QuantBytes(kv.headDim)
		kv.typ.Encode(row[:q], row[q:], x.from)
	}
}

// commit moves a layer's batch of n tokens, the first at position start, into its cache. Of a batch longer than the window
// only the end is kept.
func (kv *kvCache) commit(layer, start, n int) {
	l := &kv.layers[layer]
	for t := max(0, n-l.slots); t < n; t++ {
		slot := (start + t) % l.slots
		i, r := slot/kvPagePositions, slot%kvPagePositions
		if l.pages[i] == nil {
			l.pages[i] = kv.newPage(l.pageRows(i))
			kv.bytes += int64(len(l.pages[i].k) + len(l.pages[i].v))
		}
		rows := l.pageRows(i)
		for g := range kv.heads {
			from, to := (g*kv.rows+t)*kv.rowBytes, (g*rows+r)*kv.rowBytes
			copy(l.pages[i].k[to:to+kv.rowBytes], kv.batch.k[from:])
			copy(l.pages[i].v[to:to+kv.rowBytes], kv.batch.v[from:])
		}
	}
}

// growth returns the bytes of the pages that a sequence of n tokens needs and that were not made yet.
func (kv *kvCache) growth(n int) (bytes int64) {
	for i := range kv.layers {
		l := &kv.layers[i]
		for p := range (min(n, l.slots) + kvPagePositions - 1) / kvPagePositions {
			if l.pages[p] == nil {
				bytes += 2 * int64(kv.heads*l.pageRows(p)*kv.rowBytes)
			}
		}
	}
	return bytes
}

// segment is a run of consecutive positions of one KV head whose rows lie together.
type segment struct {
	first, n int // positions
	k, v     []byte
}

// segments calls f with the runs of positions [from, to) of KV head g, in order. Positions below start come from the
// cache, the others from the batch.
func (kv *kvCache) segments(layer, g, from, to, start int, f func(segment)) {
	l := &kv.layers[layer]
	for p := from; p < min(to, start); {
		slot := p % l.slots
		i, r := slot/kvPagePositions, slot%kvPagePositions
		rows := l.pageRows(i)
		n := min(rows-r, min(to, start)-p)
		at := (g*rows + r) * kv.rowBytes
		f(segment{p, n, l.pages[i].k[at:], l.pages[i].v[at:]})
		p += n
	}
	if p := max(from, start); p < to {
		at := (g*kv.rows + p - start) * kv.rowBytes
		f(segment{p, to - p, kv.batch.k[at:], kv.batch.v[at:]})
	}
}

// decode fills dst with n rows.
func (kv *kvCache) decode(dst []float32, rows []byte, n int) {
	q := kv.typ.QuantBytes(kv.headDim)
	if q == kv.rowBytes { // no scales between them: they are one long row
		kernel.Decode(kv.typ, dst[:n*kv.headDim], rows[:n*q], nil)
		return
	}
	for i := range n {
		row := rows[i*kv.rowBytes:][:kv.rowBytes]
		kernel.Decode(kv.typ, dst[i*kv.headDim:][:kv.headDim], row[:q], row[q:])
	}
}
