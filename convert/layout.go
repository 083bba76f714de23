package convert

import "st/format"

// cacheLine is what groups of rows, matrices and neurons are aligned to.
const cacheLine = 64

// alignUp returns where the cache line begins that is at n or after it.
func alignUp(n int64) int64 { return (n + cacheLine - 1) / cacheLine * cacheLine }

// layMatrix lays a tensor's units one after the other from an offset of its record. A product's rows are all multiplied together, so
// those of block types lie in groups.
func layMatrix(t *format.Tensor, offset int64, product bool) {
	t.Offset = alignUp(offset)
	if product && t.Type.Block() > 1 {
		t.Layout = format.Groups16
		t.Stride = alignUp(int64(t.UnitBytes()))
		return
	}
	t.Stride = int64(t.UnitBytes())
	t.ScaleOffset = int64(t.Type.QuantBytes(t.Cols))
}

// end returns where the units of a tensor end, padding of the last one counted in.
func end(t *format.Tensor) int64 { return t.Offset + int64(t.Units())*t.Stride }

// layExpert lays the tensors of an expert's record. See FORMAT.md, "The records of a model".
func layExpert(tensors []format.Tensor, a format.Activation) {
	r := format.Record{Tensors: tensors}
	gate, up, down := r.Tensor(format.RoleGate), r.Tensor(format.RoleUp), r.Tensor(format.RoleDown)
	layMatrix(gate, 0, true)
	if a == format.ReLU {
		layNeurons(up, down, end(gate))
		return
	}
	layMatrix(up, end(gate), true)
	layMatrix(down, end(up), true)
}

// layNeurons lays, from an offset, neuron by neuron a row of up and a column of down, so that a neuron that is skipped is one gap.
// down is stored transposed.
func layNeurons(up, down *format.Tensor, offset int64) {
	upQuants, upScales := int64(up.Type.QuantBytes(up.Cols)), int64(up.Type.ScaleBytes(up.Cols))
	downQuants, downScales := int64(down.Type.QuantBytes(down.Cols)), int64(down.Type.ScaleBytes(down.Cols))
	up.Offset = alignUp(offset)
	up.ScaleOffset = upQuants + downQuants
	down.Offset = up.Offset + upQuants
	down.ScaleOffset = downQuants + upScales
	up.Stride = alignUp(upQuants + downQuants + upScales + downScales)
	down.Stride = up.Stride
}
