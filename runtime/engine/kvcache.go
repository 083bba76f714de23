package engine

import (
	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// kvPagePositions is the number of positions in a page of the KV cache.
const kvPagePositions = 256

// kvLayout is how the KV cache of a sequence lies in memory: the same for all sequences of an engine.
//
// A layer keeps the positions that later tokens can still see, in slots. A layer with a window is a ring: position p is kept in slot p mod
// slots. It has more slots than the window has positions, so that a sequence can be cut to fewer tokens: a prompt is answered once more, or
// otherwise, without being run again. A layer that attends to another's keys and values has no slots. Slots are cut into pages of 256; a strip
// is page i of every layer that has so many, in one block of memory.
type kvLayout struct {
	typ      quant.Type
	heads    int // KV heads
	headDim  int
	rowBytes int
	slots    []int // by layer: positions kept
	windows  []int // by layer: positions that a token sees; 0: all
}

// spareSlots is the most slots that a ring has besides its window: so many tokens of a sequence can be taken back. A ring has twice the window at most.
const spareSlots = 1024

func newKVLayout(c *format.Config, t KVType, context int) *kvLayout {
	kv := &kvLayout{typ: t.quant(), heads: c.KVHeads, headDim: c.HeadDim, slots: make([]int, c.Layers), windows: make([]int, c.Layers)}
	kv.rowBytes = kv.typ.RowBytes(c.HeadDim)
	for l := range kv.slots {
		if c.KVLayer(l) != l {
			continue
		}
		kv.slots[l] = context
		if w := c.Window(l); w > 0 {
			kv.slots[l], kv.windows[l] = min(context, w+min(w, spareSlots)), min(context, w)
		}
	}
	return kv
}

// pageRows returns the number of positions in page i of a layer: the last one may be short, and there may be none.
func (kv *kvLayout) pageRows(layer, i int) int {
	return max(0, min(kvPagePositions, kv.slots[layer]-i*kvPagePositions))
}

// stripBytes returns the size of strip i.
func (kv *kvLayout) stripBytes(i int) (n int64) {
	for l := range kv.slots {
		n += 2 * int64(kv.heads*kv.pageRows(l, i)*kv.rowBytes)
	}
	return n
}

// strips returns how many strips a sequence of n tokens takes.
func (kv *kvLayout) strips(n int) int {
	most := 0
	for _, slots := range kv.slots {
		most = max(most, slots)
	}
	return (min(n, most) + kvPagePositions - 1) / kvPagePositions
}

// bytes returns the size of the KV cache of a sequence of n tokens: that of its strips together.
func (kv *kvLayout) bytes(n int) (bytes int64) {
	positions := kv.strips(n) * kvPagePositions
	for _, slots := range kv.slots {
		bytes += 2 * int64(kv.heads*min(positions, slots)) * int64(kv.rowBytes)
	}
	return bytes
}

// encode stores a row of numbers in the type of the cache.
func (kv *kvLayout) encode(row []byte, x []float32) {
	if kv.typ == quant.F16 {
		kernel.EncodeF16(row, x)
		return
	}
	q := kv.typ.QuantBytes(kv.headDim)
	kv.typ.Encode(row[:q], row[q:], x)
}

// decode fills dst with n rows.
func (kv *kvLayout) decode(dst []float32, rows []byte, n int) {
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

// kvPage holds keys and values of n positions. Position p of KV head g is row g·n + p, so that a head's rows lie together.
type kvPage struct{ k, v []byte }

// kvCache is the KV cache of one sequence, outside Go's heap.
type kvCache struct {
	*kvLayout
	memory *memory
	strips []*block
	pages  [][]kvPage // by layer
	bytes  int64
	undo   kvUndo // what the last draft overwrote

	longest int // the most tokens that the sequence had since it was empty
	loaded  int // tokens of which a snapshot brought what later ones see
}

func newKVCache(layout *kvLayout, m *memory) *kvCache {
	return &kvCache{kvLayout: layout, memory: m, pages: make([][]kvPage, len(layout.slots))}
}

// growth returns the bytes that grow would take.
func (kv *kvCache) growth(n int) int64 { return max(0, kv.kvLayout.bytes(n)-kv.bytes) }

// grow makes room for a sequence of n tokens.
func (kv *kvCache) grow(n int) error {
	for i := len(kv.strips); i < kv.kvLayout.strips(n); i++ {
		b, err := kv.memory.newBlock(forKV, kv.stripBytes(i))
		if err != nil {
			return err
		}
		kv.strips = append(kv.strips, b)
		kv.bytes += int64(len(b.data))
		rest := b.bytes()
		for l := range kv.pages {
			rows := kv.pageRows(l, i)
			if rows == 0 {
				continue
			}
			size := kv.heads * rows * kv.rowBytes
			kv.pages[l] = append(kv.pages[l], kvPage{rest[:size:size], rest[size : 2*size : 2*size]})
			rest = rest[2*size:]
		}
	}
	return nil
}

// copy copies what another cache holds of a sequence for which this one has made room.
func (kv *kvCache) copy(from *kvCache) {
	for i, b := range kv.strips {
		copy(b.bytes(), from.strips[i].bytes())
	}
	kv.longest, kv.loaded = from.longest, from.loaded
}

// shrink gives back what a sequence of n tokens does not need.
func (kv *kvCache) shrink(n int) {
	keep := kv.kvLayout.strips(n)
	for i := keep; i < len(kv.strips); i++ {
		kv.bytes -= int64(len(kv.strips[i].data))
		kv.strips[i].free()
	}
	kv.strips = kv.strips[:min(keep, len(kv.strips))]
	for l := range kv.pages {
		kv.pages[l] = kv.pages[l][:min(keep, len(kv.pages[l]))]
	}
}

// overwritten reports whether the ring of a window lacks positions that a sequence cut to n tokens needs.
func (kv *kvCache) overwritten(n int) bool {
	for l, window := range kv.windows {
		// Token n sees positions from n + 1 − window on, and a snapshot holds one more. Those below longest − slots are gone.
		if window > 0 && (max(0, n-window) < kv.longest-kv.slots[l] || n+1 < kv.loaded && kv.loaded > window) {
			return true
		}
	}
	return false
}

// begin is called when the sequence is empty: what the cache holds means nothing any more.
func (kv *kvCache) begin() { kv.longest, kv.loaded = 0, 0 }

// kvBatch holds keys and values of the rows of a pass, of the current layer: row t of KV head g is at g·rows + t.
type kvBatch struct {
	kvPage
	rows int
}

// row returns row t of KV head g of keys or values.
func (b *kvBatch) row(rows []byte, g, t, bytes int) []byte { return rows[(g*b.rows+t)*bytes:][:bytes] }

// commit moves a layer's rows [row, row+n) of a batch, which are the sequence's positions from start on, into the cache. Of more rows than
// the window only the end is kept.
func (kv *kvCache) commit(layer int, b *kvBatch, row, start, n int) {
	slots := kv.slots[layer]
	kv.longest = max(kv.longest, start+n)
	for t := max(0, n-slots); t < n; t++ {
		slot := (start + t) % slots
		i, r := slot/kvPagePositions, slot%kvPagePositions
		page, rows := &kv.pages[layer][i], kv.pageRows(layer, i)
		for g := range kv.heads {
			from, to := (g*b.rows+row+t)*kv.rowBytes, (g*rows+r)*kv.rowBytes
			copy(page.k[to:to+kv.rowBytes], b.k[from:])
			copy(page.v[to:to+kv.rowBytes], b.v[from:])
		}
	}
}

// run is a run of consecutive positions of one KV head that are attended to together.
type run struct {
	first, n int // positions
	k, v     runRows
}

// runRows are the keys or the values of a run: of its first positions in the cache, and of the others in the batch.
type runRows struct {
	cached int
	cache  []byte
	batch  []byte
}

// runs calls f with the runs of positions [from, to) of KV head g, in order. Positions below start come from the cache, the others from
// the batch, in which start is at the given row. Those below own are cut into runs as if they were in the cache, and as they were if a ring had no
// more slots than its window: how sums are rounded does not depend on spareSlots.
func (kv *kvCache) runs(layer, g, from, to, start, own int, b *kvBatch, row int, f func(run)) {
	slots := kv.slots[layer]
	batch := (g*b.rows + row) * kv.rowBytes
	for p := from; p < min(to, own); {
		slot := p % slots
		i, r := slot/kvPagePositions, slot%kvPagePositions
		rows := kv.pageRows(layer, i)
		n := min(rows-r, min(to, own)-p)
		if w := kv.windows[layer]; w > 0 {
			n = min(n, w-p%w, kvPagePositions-p%w%kvPagePositions)
		}
		at := (g*rows + r) * kv.rowBytes
		page, cached := &kv.pages[layer][i], min(n, max(0, start-p))
		ahead := batch + (p+cached-start)*kv.rowBytes
		if cached == n {
			ahead = batch // of which nothing is read
		}
		f(run{p, n, runRows{cached, page.k[at:], b.k[ahead:]}, runRows{cached, page.v[at:], b.v[ahead:]}})
		p += n
	}
	if p := max(from, own); p < to {
		at := batch + (p-start)*kv.rowBytes
		f(run{p, to - p, runRows{batch: b.k[at:]}, runRows{batch: b.v[at:]}})
	}
}

// ahead returns where n rows of a run from row p on lie, as far as they are in the cache.
func (kv *kvLayout) ahead(rows runRows, p, n int) []byte {
	if n = min(n, rows.cached-p); n <= 0 {
		return nil
	}
	return rows.cache[p*kv.rowBytes:][:n*kv.rowBytes]
}

// decodeRun fills dst with n rows of a run from row p on.
func (kv *kvLayout) decodeRun(dst []float32, rows runRows, p, n int) {
	cached := min(n, max(0, rows.cached-p))
	if cached > 0 {
		kv.decode(dst, rows.cache[p*kv.rowBytes:], cached)
	}
	if cached < n {
		kv.decode(dst[cached*kv.headDim:], rows.batch[(p+cached-rows.cached)*kv.rowBytes:], n-cached)
	}
}

// together returns rows [p, p+n) of a run where they lie, or nil if some are in the cache and some in the batch.
func (kv *kvLayout) together(rows runRows, p, n int) []byte {
	switch {
	case p+n <= rows.cached:
		return rows.cache[p*kv.rowBytes:][:n*kv.rowBytes]
	case p >= rows.cached:
		return rows.batch[(p-rows.cached)*kv.rowBytes:][:n*kv.rowBytes]
	}
	return nil
}
