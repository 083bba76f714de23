package engine

// kvUndo is what the last draft of a sequence overwrote in the rings of layers with a window.
type kvUndo struct {
	start   int
	longest int         // of the cache, before it
	layers  []undoLayer // nil: nothing
}

// undoLayer is what a layer's slots held before so many positions from start on came: keys and values [positions, KV heads, 2, row bytes].
type undoLayer struct {
	n    int
	rows []byte
}

// save keeps what commit of positions [start, start+n) of a layer is going to overwrite.
func (kv *kvCache) save(layer, start, n int) {
	slots := kv.slots[layer]
	if slots == 0 || start+n <= slots {
		return
	}
	u := &kv.undo
	if u.layers == nil {
		u.layers = make([]undoLayer, len(kv.slots))
	}
	u.start = start
	l := &u.layers[layer]
	l.n, l.rows = n, l.rows[:0]
	kv.overwrites(layer, 0, func(k, v []byte) { l.rows = append(append(l.rows, k...), v...) })
}

// restore puts back what the last draft has overwritten from position n on.
func (kv *kvCache) restore(n int) {
	kv.longest = max(kv.undo.longest, n)
	for layer := range kv.undo.layers {
		l := &kv.undo.layers[layer]
		from := max(0, n-kv.undo.start)
		if from >= l.n {
			continue
		}
		at := 2 * from * kv.heads * kv.rowBytes
		kv.overwrites(layer, from, func(k, v []byte) {
			at += copy(k, l.rows[at:])
			at += copy(v, l.rows[at:])
		})
		l.n = from
	}
}

// overwrites calls f with the rows of the cache that the last draft's positions from its i-th on have in a layer, head by head.
func (kv *kvCache) overwrites(layer, i int, f func(k, v []byte)) {
	slots, u := kv.slots[layer], &kv.undo
	for p := u.start + i; p < u.start+u.layers[layer].n; p++ {
		slot := p % slots
		page, rows := &kv.pages[layer][slot/kvPagePositions], kv.pageRows(layer, slot/kvPagePositions)
		for g := range kv.heads {
			at := (g*rows + slot%kvPagePositions) * kv.rowBytes
			f(page.k[at:][:kv.rowBytes], page.v[at:][:kv.rowBytes])
		}
	}
}

// undoes reports whether the last draft can be taken back to n tokens.
func (kv *kvCache) undoes(n int) bool { return kv.undo.layers != nil && n >= kv.undo.start }

// settleUndo makes what the last draft has overwritten final.
func (kv *kvCache) settleUndo() {
	for i := range kv.undo.layers {
		kv.undo.layers[i].n = 0
	}
	kv.undo.start, kv.undo.longest = maxPosition, kv.longest
}

// maxPosition is beyond every sequence.
const maxPosition = 1<<31 - 1
