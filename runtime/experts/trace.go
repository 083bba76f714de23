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

// Batch appends the n tokens of a batch, whose choices are given as [layers, n, top-k].
func (t *TraceWriter) Batch(n int, experts []int32) error {
	k := t.shape.TopK
	for i := range n {
		t.line.Batch, t.line.Experts = t.batch, t.line.Experts[:0]
		for l := range t.shape.Layers {
			t.line.Experts = append(t.line.Experts, experts[(l*n+i)*k:][:k]...)
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

// ReadTrace reads what a TraceWriter wrote. Errors name the line.
func ReadTrace(r io.Reader) (*Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	t := &Trace{}
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if err := t.readShape(lines.Bytes()); err != nil {
				return nil, fmt.Errorf("this is no trace: %w", err)
			}
			continue
		}
		if err := t.readToken(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w; record the trace anew, or remove the line and those after it", n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, errors.New("this is no trace: a line is too long")
	} else if err != nil {
		return nil, err
	}
	if t.Layers == 0 {
		return nil, errors.New("this is no trace: the file is empty")
	}
	if len(t.Tokens) == 0 {
		return nil, errors.New("the trace has no tokens: record it anew")
	}
	return t, nil
}

func (t *Trace) readShape(line []byte) error {
	if err := json.Unmarshal(line, &t.Shape); err != nil {
		return err
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
	t.Tokens = append(t.Tokens, x)
	return nil
}

// access is the use of an expert by some tokens of a batch.
type access struct{ id, tokens int32 }

// accesses calls f with the accesses of every batch, in the order in which the runtime has them: layer by layer, in order of
// experts. batch is the number of its tokens.
func (t *Trace) accesses(f func(batch int, all []access)) {
	var all []access
	count := make([]int32, t.Experts)
	for from := 0; from < len(t.Tokens); {
		to := from + 1
		for to < len(t.Tokens) && t.Tokens[to].Batch == t.Tokens[from].Batch {
			to++
		}
		all = all[:0]
		for l := range t.Layers {
			clear(count)
			for i := from; i < to; i++ {
				for _, e := range t.Tokens[i].Experts[l*t.TopK:][:t.TopK] {
					count[e]++
				}
			}
			for e, n := range count {
				if n > 0 {
					all = append(all, access{int32(l*t.Experts + e), n})
				}
			}
		}
		f(to-from, all)
		from = to
	}
}
