package experts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Shape is what a trace is about: the layers that have experts, the experts in each, and how many of them a token chooses.
type Shape struct {
	Layers  int `json:"layers"`
	Experts int `json:"experts"`
	TopK    int `json:"top_k"`
}

// Len returns the number of experts of all layers.
func (s Shape) Len() int { return s.Layers * s.Experts }

// Trace is a recording of the experts that tokens chose, in order.
type Trace struct {
	Shape
	Tokens []Token
}

// Token is one token. Tokens of the same batch went through the layers together.
type Token struct {
	Batch int `json:"batch"`
	// Experts are the expert numbers within each layer: [layers · top-k].
	Experts []int32 `json:"experts"`
	// Chances are the chances of all experts, as [Chances] estimates them from the router's logits, in 255ths: [layers · experts]. nil: not recorded.
	Chances []byte `json:"chances,omitempty"`
	// Near and Far are the experts that were foreseen for each layer, after the attention of the layer before and at the beginning of the layer two
	// before: [layers · top-k], −1 where none was. nil: not recorded; a runtime that has all experts in memory foresees none.
	Near []int32 `json:"near,omitempty"`
	Far  []int32 `json:"far,omitempty"`
}

// Batch is what n tokens that went through the layers together chose.
type Batch struct {
	N       int
	Experts []int32 // [layers, n, top-k]
	Chances []byte  // [layers, n, experts], or nil
	// Of a batch of one token [layers, top-k], or nil: see [Token].
	Near, Far []int32
}

// TraceWriter writes a trace as JSON, an object a line: the shape, then the tokens.
type TraceWriter struct {
	shape Shape
	w     *bufio.Writer
	batch int
	line  Token
}

// NewTraceWriter begins a trace.
func NewTraceWriter(w io.Writer, shape Shape) (*TraceWriter, error) {
	t := &TraceWriter{shape: shape, w: bufio.NewWriter(w)}
	return t, json.NewEncoder(t.w).Encode(shape)
}

// Batch appends the tokens of a batch.
func (t *TraceWriter) Batch(b Batch) error {
	k, all := t.shape.TopK, t.shape.Experts
	for i := range b.N {
		t.line = Token{Batch: t.batch, Experts: t.line.Experts[:0], Chances: t.line.Chances[:0], Near: b.Near, Far: b.Far}
		for l := range t.shape.Layers {
			t.line.Experts = append(t.line.Experts, b.Experts[(l*b.N+i)*k:][:k]...)
			if b.Chances != nil {
				t.line.Chances = append(t.line.Chances, b.Chances[(l*b.N+i)*all:][:all]...)
			}
		}
		if err := json.NewEncoder(t.w).Encode(t.line); err != nil {
			return err
		}
	}
	t.batch++
	return t.w.Flush()
}

// maxLine bounds a line of a trace: the experts of a token, in a model of any size.
const maxLine = 16 << 20

// ErrNotTrace: a file is of another kind.
var ErrNotTrace = errors.New("this is no trace of the experts that tokens chose")

// ReadTrace reads what a TraceWriter wrote. Errors name the line.
func ReadTrace(r io.Reader) (*Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	t := &Trace{}
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if err := t.readShape(lines.Bytes()); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrNotTrace, err)
			}
			continue
		}
		if err := t.readToken(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w; record the trace anew, or remove the line and those after it", n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: a line is too long", ErrNotTrace)
	} else if err != nil {
		return nil, err
	}
	if t.Layers == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrNotTrace)
	}
	if len(t.Tokens) == 0 {
		return nil, errors.New("the trace has no tokens: record it anew")
	}
	return t, nil
}

func (t *Trace) readShape(line []byte) error {
	if json.Unmarshal(line, &t.Shape) != nil {
		return errors.New("its first line does not tell how many experts a model has")
	}
	if t.Layers < 1 || t.Experts < 1 || t.TopK < 1 || t.TopK > t.Experts || t.Layers > 1<<24/t.Experts {
		return fmt.Errorf("it tells of %d layers of %d experts, %d active", t.Layers, t.Experts, t.TopK)
	}
	return nil
}

func (t *Trace) readToken(line []byte) error {
	var x Token
	if err := json.Unmarshal(line, &x); err != nil {
		return fmt.Errorf("this is no token: %w", err)
	}
	if x.Batch < 0 || len(t.Tokens) > 0 && x.Batch < t.Tokens[len(t.Tokens)-1].Batch {
		return fmt.Errorf("batch %d is out of order", x.Batch)
	}
	if len(x.Experts) != t.Layers*t.TopK {
		return fmt.Errorf("the token has %d experts, not %d", len(x.Experts), t.Layers*t.TopK)
	}
	for chosen := range slices.Chunk(x.Experts, t.TopK) {
		for i, e := range chosen {
			if e < 0 || int(e) >= t.Experts {
				return fmt.Errorf("the token chooses expert %d of %d", e, t.Experts)
			}
			if slices.Contains(chosen[:i], e) {
				return fmt.Errorf("the token chooses expert %d twice in a layer", e)
			}
		}
	}
	if n := len(x.Chances); n > 0 && n != t.Len() {
		return fmt.Errorf("the token has the chances of %d experts, not %d", n, t.Len())
	}
	for _, foreseen := range [][]int32{x.Near, x.Far} {
		if n := len(foreseen); n > 0 && n != t.Layers*t.TopK {
			return fmt.Errorf("%d experts are foreseen, not %d", n, t.Layers*t.TopK)
		}
		for _, e := range foreseen {
			if e < -1 || int(e) >= t.Experts {
				return fmt.Errorf("expert %d of %d is foreseen", e, t.Experts)
			}
		}
	}
	t.Tokens = append(t.Tokens, x)
	return nil
}

// Batches returns how many tokens each batch has.
func (t *Trace) Batches() (sizes []int) {
	for i := range t.Tokens {
		if i == 0 || t.Tokens[i].Batch != t.Tokens[i-1].Batch {
			sizes = append(sizes, 0)
		}
		sizes[len(sizes)-1]++
	}
	return sizes
}

// OneByOne returns the trace as if its tokens had come one at a time. What was foreseen of each is as it was.
func (t *Trace) OneByOne() *Trace {
	x := &Trace{Shape: t.Shape, Tokens: slices.Clone(t.Tokens)}
	for i := range x.Tokens {
		x.Tokens[i].Batch = i
	}
	return x
}

// Rated reports whether the chances of all tokens are known.
func (t *Trace) Rated() bool {
	return !slices.ContainsFunc(t.Tokens, func(x Token) bool { return len(x.Chances) == 0 })
}

// access is the use of an expert by some tokens of a batch.
type access struct{ id, tokens int32 }

// batch is some tokens that went through the layers together, and by layer the experts that they use, in order.
type batch struct {
	tokens []Token
	layers [][]access
}

// batches calls f with every batch. What it is given is valid until it returns.
func (t *Trace) batches(f func(b batch)) {
	b := batch{layers: make([][]access, t.Layers)}
	count := make([]int32, t.Experts)
	for from := 0; from < len(t.Tokens); {
		to := from + 1
		for to < len(t.Tokens) && t.Tokens[to].Batch == t.Tokens[from].Batch {
			to++
		}
		b.tokens = t.Tokens[from:to]
		for l := range t.Layers {
			clear(count)
			for i := range b.tokens {
				for _, e := range b.tokens[i].Experts[l*t.TopK:][:t.TopK] {
					count[e]++
				}
			}
			b.layers[l] = b.layers[l][:0]
			for e, n := range count {
				if n > 0 {
					b.layers[l] = append(b.layers[l], access{int32(l*t.Experts + e), n})
				}
			}
		}
		f(b)
		from = to
	}
}

// rate tells a policy that wants to know it what the tokens of a batch say of the experts of a layer.
func (t *Trace) rate(p Policy, b batch, layer int) {
	r, ok := p.(Rater)
	for i := 0; ok && i < len(b.tokens); i++ {
		if c := b.tokens[i].Chances; len(c) > 0 {
			r.Rate(layer, c[layer*t.Experts:][:t.Experts])
		}
	}
}
