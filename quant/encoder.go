package quant

// Encoder turns weights into blocks, for one goroutine. The zero value rounds to nearest, as [Type.Encode] does.
type Encoder struct {
	// Search looks for the scale of every Q4_0 block that loses least, instead of taking the one that keeps its largest weight.
	// The other types are not changed by it.
	Search bool
	// Importance says how much the squared errors of a row's weights count in a search, by column: the mean squares of what they
	// are multiplied with, up to a factor that brings them near 1. It is as long as a row; nil: they all count the same.
	Importance []float32
	// GPTQ encodes the rows of Q4_0 matrices instead of a search, if it is not nil. They are as long as it was made for.
	GPTQ *GPTQ

	gptq gptqScratch
}

// Encode is [Type.Encode] for rows, one after the other in src, which are len(e.Importance) long if that is given.
func (e *Encoder) Encode(t Type, quants, scales []byte, src []float32) {
	switch {
	case t == Q4_0 && e.GPTQ != nil:
		e.GPTQ.encode(quants, scales, src, &e.gptq)
	case t == Q4_0 && e.Search:
		searchQ4(quants, scales, src, e.Importance)
	default:
		t.Encode(quants, scales, src)
	}
}
