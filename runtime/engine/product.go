package engine

import (
	"st/runtime/kernel"
)

// manyRows is the number of rows from which on a unit of a matrix is worth a part of its own: it takes some microseconds then.
const manyRows = 32

// product is one matrix product of the rows: dst[row, i] = w_i · x_row.
type product struct {
	dst []float32 // [rows, w.Rows]
	w   *kernel.Matrix
	x   *kernel.Input
}

// multiply computes up to four products, which the threads share by the matrices' units.
func (p *pass) multiply(products ...product) { p.multiplyThen(nil, products...) }

// multiplyThen is multiply with what follows from blocks of a product's rows; nil: nothing does.
func (p *pass) multiplyThen(then []*blocks, products ...product) {
	if p.err != nil {
		return
	}
	clear(p.now.then[copy(p.now.then[:], then):])
	clear(p.now.products[copy(p.now.products[:], products):])
	units := 0
	for i := range products {
		units += products[i].w.Units()
		p.bytes += products[i].w.Bytes()
	}
	grain := 4
	if p.n >= manyRows {
		grain = 1
	}
	p.check(p.split(units, grain, &p.do.multiply))
}

// split shares a job of the rows out, which takes microseconds if they are few.
func (p *pass) split(tasks, grain int, do *task) error {
	if p.n >= manyRows {
		return p.pool.split(tasks, grain, do)
	}
	return p.pool.splitBrief(tasks, grain, do)
}

func (p *pass) doMultiply(thread, from, to int) {
	first := 0
	for i := range p.now.products {
		m := &p.now.products[i]
		if m.w == nil {
			return
		}
		units := m.w.Units()
		if a, b := max(from-first, 0), min(to-first, units); a < b {
			p.multiplyUnits(thread, m, a, b)
			if then := p.now.then[i]; then != nil {
				then.add(a*m.w.UnitRows(), min(b*m.w.UnitRows(), m.w.Rows))
			}
		}
		first += units
	}
}

// multiplyUnits multiplies units [from, to) of a matrix with all rows. Where there is more than one long segment, each unit is multiplied with all
// of them before the next is read.
func (p *pass) multiplyUnits(thread int, m *product, from, to int) {
	scratch, stride := &p.threads[thread].Scratch, m.w.Rows
	switch {
	case p.singles > 0:
		kernel.MulEach(m.dst, stride, m.w, from, to, m.x, p.all[:p.n], scratch)
		return
	case len(p.segs) == 1 || kernel.Alike():
		kernel.Mul(m.dst, stride, m.w, from, to, m.x, p.all[:p.n], scratch)
		return
	}
	for u := from; u < to; u++ {
		for i := range p.segs {
			seg := &p.segs[i]
			kernel.Mul(m.dst[seg.row*stride:], stride, m.w, u, u+1, m.x, p.all[seg.row:seg.row+seg.n], scratch)
		}
	}
}

// quantize makes the rows of an input ready to be multiplied.
func (p *pass) quantize(x *kernel.Input) {
	if p.err == nil {
		p.now.quantize = x
		p.check(p.pool.split(p.n, 8, &p.do.quantize))
	}
}

func (p *pass) doQuantize(_, from, to int) {
	for t := from; t < to; t++ {
		p.now.quantize.Quantize(t)
	}
}
