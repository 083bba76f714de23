package engine

import (
	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// guessRouters are the routers that layers are foreseen with, by layer: those of the file, in Q8_0. A guess need not be exact, and as floats the
// routers of a token's two guesses for a layer are 390 KB of the 4B shape.
type guessRouters struct {
	block *block
	of    []kernel.Matrix // empty in a layer without experts
}

// guessRouter describes a router that layers are foreseen with.
func guessRouter(c *format.Config) *format.Tensor {
	t := &format.Tensor{Type: quant.Q8_0, Layout: format.Groups16, Rows: c.MoE.Experts, Cols: c.Hidden}
	t.Stride = int64(t.UnitBytes())
	return t
}

// quantizesRouters reports whether layers are foreseen with routers in Q8_0: their rows are whole blocks.
func quantizesRouters(c *format.Config) bool { return c.MoE != nil && quant.Q8_0.Fits(c.Hidden) }

// guessRouterBytes returns the memory that they take; 0: layers are foreseen with the routers of the file.
func guessRouterBytes(c *format.Config) int64 {
	if !quantizesRouters(c) {
		return 0
	}
	return int64(len(c.MoELayers())) * guessRouter(c).Bytes()
}

// newGuessRouters makes them of the file's, which are in memory.
func (e *Engine) newGuessRouters() (*guessRouters, error) {
	c := e.config
	g := &guessRouters{of: make([]kernel.Matrix, c.Layers)}
	b := &binder{r: e.reader, c: c, dense: e.dense}
	layers := c.MoELayers()
	if !quantizesRouters(c) {
		for _, l := range layers {
			g.of[l] = b.matrix(format.RoleRouter, l, c.MoE.Experts, c.Hidden)
		}
		return g, b.err
	}
	var err error
	if g.block, err = e.memory.newBlock(forDense, guessRouterBytes(c)); err != nil {
		return nil, err
	}
	t := guessRouter(c)
	n := int(t.Bytes())
	rows, scratch := make([]float32, t.Units()*t.UnitRows()*t.Cols), make([]byte, n)
	var encoder quant.Encoder
	for i, l := range layers {
		rec, router := b.tensor(format.RoleRouter, l, t.Rows, t.Cols)
		if b.err != nil {
			break
		}
		for r := range t.Rows {
			router.DecodeRow(rows[r*t.Cols:][:t.Cols], e.dense.record(rec), r)
		}
		data := g.block.bytes()[i*n:][:n]
		t.EncodeUnits(data, rows, &encoder, scratch)
		g.of[l] = matrix(t, data)
	}
	return g, b.err
}

// close gives their memory back.
func (g *guessRouters) close() {
	if g != nil {
		g.block.free()
	}
}
