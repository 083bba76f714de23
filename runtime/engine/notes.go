package engine

import (
	"st/format"
	"st/runtime/experts"
)

// notes are what a pass tells a trace.
type notes struct {
	moe             *format.MoE
	routes          []int32 // [layers, rows, top-k] the experts they chose
	chances         []byte  // [layers, rows, experts]
	scratch, sorted []float32
	foreseen        [foresights][]int32 // [layers, top-k] of a pass of one row
	some            bool                // something was foreseen
}

func newNotes(layers int, m *format.MoE) *notes {
	n := &notes{moe: m, scratch: make([]float32, m.Experts), sorted: make([]float32, m.Experts)}
	for f := range n.foreseen {
		n.foreseen[f] = make([]int32, layers*m.ExpertsPerToken)
	}
	n.reset()
	return n
}

func (n *notes) reset() {
	n.routes, n.chances, n.some = n.routes[:0], n.chances[:0], false
	for f := range n.foreseen {
		for i := range n.foreseen[f] {
			n.foreseen[f][i] = -1
		}
	}
}

// noteChances notes what the router's logits of a layer say of its experts, before the choice changes them.
func (p *pass) noteChances() {
	if p.trace != nil {
		p.notes.rate(p.router[:p.n*p.config.MoE.Experts])
	}
}

// rate notes the chances of a layer's experts. Where logits say nothing they are 0.
func (n *notes) rate(logits []float32) {
	for ; len(logits) > 0; logits = logits[n.moe.Experts:] {
		chances := experts.Chances(n.scratch, n.sorted, logits[:n.moe.Experts], n.moe.ExpertsPerToken)
		for x := range n.moe.Experts {
			c := byte(0)
			if chances != nil {
				c = byte(255*chances[x] + 0.5)
			}
			n.chances = append(n.chances, c)
		}
	}
}

// chose notes the experts that rows chose in a layer.
func (n *notes) chose(chosen []int32) { n.routes = append(n.routes, chosen...) }

// foresaw notes what one row was foreseen to choose in a layer. Layers that have experts are counted from 0.
func (n *notes) foresaw(layer int, f foresight, experts []int32) {
	n.some = true
	copy(n.foreseen[f][layer*n.moe.ExpertsPerToken:], experts)
}

// batch returns what is noted of a pass of so many rows.
func (n *notes) batch(rows int) experts.Batch {
	b := experts.Batch{N: rows, Experts: n.routes, Chances: n.chances}
	if n.some {
		b.Near, b.Far = n.foreseen[near], n.foreseen[far]
	}
	return b
}
