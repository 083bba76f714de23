package engine_test

import (
	"math"
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
	"st/runtime/experts"
)

// witness writes down what it is shown.
type witness struct {
	in, out, ffn [][]float32 // by layer
	experts      [][]int32
	weights      [][]float32
	head         []float32
}

func newWitness(layers int) *witness {
	return &witness{in: make([][]float32, layers), out: make([][]float32, layers), ffn: make([][]float32, layers),
		experts: make([][]int32, layers), weights: make([][]float32, layers)}
}

func (w *witness) AttentionInput(l int, x []float32)        { w.in[l] = append(w.in[l], x...) }
func (w *witness) AttentionOutput(l int, x []float32)       { w.out[l] = append(w.out[l], x...) }
func (w *witness) DownInput(int, int, []float32, []float32) {}

func (w *witness) FFNInput(l int, x []float32) { w.ffn[l] = append(w.ffn[l], x...) }

func (w *witness) HeadInput(x []float32) { w.head = append(w.head, x...) }

func (w *witness) ExpertInput(l int, x []float32, experts []int32, weights []float32) {
	w.ffn[l] = append(w.ffn[l], x...)
	w.experts[l] = append(w.experts[l], experts...)
	w.weights[l] = append(w.weights[l], weights...)
}

func TestObserve(t *testing.T) {
	shape := base()
	shape.Untied = true
	m := modeltest.New(shape, 1)
	var traced []int32
	var chances []byte
	e := open(t, m, (*modeltest.Model).Write, quant.F32, engine.Options{Threads: 2, KVType: engine.KVF32,
		Trace: func(b experts.Batch) error {
			traced, chances = slices.Clone(b.Experts), slices.Clone(b.Chances)
			if b.Near != nil || b.Far != nil {
				t.Error("something is foreseen where all experts are in memory")
			}
			return nil
		}})
	c := e.Config()
	tokens := []int32{3, 1, 4, 1, 5}
	n := len(tokens)
	quiet := forward(t, session(t, e), tokens...)

	w := newWitness(c.Layers)
	e.Observe(w)
	logits := forward(t, session(t, e), tokens...)
	if !slices.Equal(logits, quiet) {
		t.Error("being watched changes the logits")
	}
	for l := range c.Layers {
		if len(w.in[l]) != n*c.Hidden || len(w.out[l]) != n*c.Heads*c.HeadDim || len(w.ffn[l]) != n*c.Hidden || len(w.weights[l]) != n*c.MoE.ExpertsPerToken {
			t.Errorf("layer %d: %d, %d, %d and %d numbers", l, len(w.in[l]), len(w.out[l]), len(w.ffn[l]), len(w.weights[l]))
		}
	}
	if got := slices.Concat(w.experts...); !slices.Equal(got, traced) {
		t.Errorf("the experts are %v, in the trace %v", got, traced)
	}
	// Those that are chosen have chances above a half, the others below.
	for i := range len(chances) / c.MoE.Experts {
		for x, chance := range chances[i*c.MoE.Experts:][:c.MoE.Experts] {
			if chosen := slices.Contains(traced[i*c.MoE.ExpertsPerToken:][:c.MoE.ExpertsPerToken], int32(x)); chosen != (chance > 127) {
				t.Errorf("row %d of all layers, expert %d: chosen %t, its chance is %d/255", i, x, chosen, chance)
			}
		}
	}
	if len(chances) != c.Layers*n*c.MoE.Experts {
		t.Errorf("%d chances are traced", len(chances))
	}
	// The head's rows times its last input are the logits; the first layer's input is the norm of the embeddings.
	head, embed, norm := m.Tensor("lm_head.weight").Data, m.Tensor("model.embed_tokens.weight").Data, m.Tensor("model.layers.0.input_layernorm.weight").Data
	for id, want := range logits {
		var sum float64
		for i, v := range w.head[(n-1)*c.Hidden:] {
			sum += float64(v) * float64(head[id*c.Hidden+i])
		}
		if math.Abs(sum-float64(want)) > 1e-4 {
			t.Fatalf("logit %d is %v, the head's input gives %v", id, want, sum)
		}
	}
	row := embed[int(tokens[2])*c.Hidden:][:c.Hidden]
	var squares float64
	for _, v := range row {
		squares += float64(v) * float64(v)
	}
	for i, v := range row {
		want := float64(v) * float64(norm[i]) / math.Sqrt(squares/float64(c.Hidden)+c.RMSNormEps)
		if got := w.in[0][2*c.Hidden+i]; math.Abs(float64(got)-want) > 1e-5 {
			t.Fatalf("input %d of layer 0 is %v, want %v", i, got, want)
		}
	}
	e.Observe(nil)
	before := len(w.head)
	forward(t, session(t, e), tokens...)
	if len(w.head) != before {
		t.Error("it goes on after Observe(nil)")
	}
}
