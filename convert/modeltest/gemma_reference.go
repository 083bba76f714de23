package modeltest

import (
	"fmt"
	"math"
)

// gemmaLogits is Logits for Gemma 3 (arXiv 2503.19786) and Gemma 3n, written from Transformers' modeling_gemma3.py and modeling_gemma3n.py: every
// formula is one loop, and nothing is kept from one position to the next but what a layer has computed for all of them.
func (m *Model) gemmaLogits(tokens []int32) [][]float32 {
	g := m.gemma
	x := make([][][]float64, len(tokens)) // by token: the vectors of the residual stream
	perLayer := make([][]float64, len(tokens))
	for t, id := range tokens {
		e := m.row("model.embed_tokens.weight", int(id), math.Sqrt(float64(g.Hidden)))
		x[t] = [][]float64{e}
		if g.n() {
			x[t] = append(x[t], m.others("model.altup_projections.%d.weight", e, slicesOf(e, g.AltUp-1))...)
			perLayer[t] = m.perLayer(int(id), e)
		}
	}
	kv := make([][2][][]float64, g.Layers) // by layer: keys and values of all positions
	for l := range g.Layers {
		if g.n() {
			m.gemma3nLayer(l, x, perLayer, kv)
		} else {
			m.gemma3Layer(l, x, kv)
		}
	}
	head := "model.embed_tokens.weight"
	if g.Untied {
		head = "lm_head.weight"
	}
	out := make([][]float32, len(tokens))
	for t := range x {
		h := x[t][0]
		if g.n() {
			sum := clone(h)
			for _, other := range m.others("model.altup_unembed_projections.%d.weight", h, x[t][1:]) {
				add(sum, other, 1)
			}
			h = scaled(sum, 1/float64(g.AltUp))
		}
		for _, v := range m.mul(head, m.gemmaNorm("model.norm.weight", h)) {
			if g.Softcap != 0 {
				v = math.Tanh(v/g.Softcap) * g.Softcap
			}
			out[t] = append(out[t], float32(v))
		}
	}
	return out
}

// others multiplies vectors with the matrices 0, 1, … of a name, and gives the products the size of h.
func (m *Model) others(name string, h []float64, x [][]float64) (out [][]float64) {
	size := func(v []float64) float64 {
		var sum float64
		for _, f := range v {
			sum += f * f
		}
		return sum / float64(len(v))
	}
	for i, v := range x {
		y := m.mul(fmt.Sprintf(name, i), v)
		out = append(out, scaled(y, math.Sqrt(size(h))/math.Sqrt(max(size(y), 1e-5))))
	}
	return out
}

// perLayer returns the layers' own embeddings of a token whose scaled embedding is e.
func (m *Model) perLayer(id int, e []float64) []float64 {
	g := m.gemma
	if id >= g.PerLayerVocab {
		id = 0
	}
	table := m.row("model.embed_tokens_per_layer.weight", id, math.Sqrt(float64(g.PerLayer)))
	projected := scaled(m.mul("model.per_layer_model_projection.weight", e), 1/math.Sqrt(float64(g.Hidden)))
	for l := range g.Layers {
		part := projected[l*g.PerLayer:][:g.PerLayer]
		copy(part, m.gemmaNorm("model.per_layer_projection_norm.weight", part))
	}
	add(projected, table, 1)
	return scaled(projected, 1/math.Sqrt2)
}

func (m *Model) gemma3Layer(l int, x [][][]float64, kv [][2][][]float64) {
	p := fmt.Sprintf("model.layers.%d.", l)
	in := make([][]float64, len(x))
	for t := range x {
		in[t] = m.gemmaNorm(p+"input_layernorm.weight", x[t][0])
	}
	for t, attn := range m.gemmaAttention(l, in, kv) {
		h := x[t][0]
		add(h, m.gemmaNorm(p+"post_attention_layernorm.weight", attn), 1)
		ffn := m.gemmaNetwork(l, m.gemmaNorm(p+"pre_feedforward_layernorm.weight", h))
		add(h, m.gemmaNorm(p+"post_feedforward_layernorm.weight", ffn), 1)
	}
}

func (m *Model) gemma3nLayer(l int, x [][][]float64, perLayer [][]float64, kv [][2][][]float64) {
	g := m.gemma
	p := fmt.Sprintf("model.layers.%d.", l)
	in := make([][]float64, len(x))
	for t := range x { // AltUp's prediction
		coefs := m.mul(p+"altup.prediction_coefs.weight", m.modalities(p, x[t][g.Active]))
		predicted := make([][]float64, g.AltUp)
		for j := range predicted {
			predicted[j] = clone(x[t][j])
			for i := range x[t] {
				add(predicted[j], x[t][i], coefs[j*g.AltUp+i])
			}
		}
		x[t] = predicted
		in[t] = m.gemmaNorm(p+"input_layernorm.weight", predicted[g.Active])
	}
	for t, attn := range m.gemmaAttention(l, in, kv) {
		laurel := m.mul(p+"laurel.linear_right.weight", m.mul(p+"laurel.linear_left.weight", in[t]))
		h := clone(x[t][g.Active])
		add(h, m.gemmaNorm(p+"post_attention_layernorm.weight", attn), 1)
		add(h, in[t], 1)
		add(h, m.gemmaNorm(p+"laurel.post_laurel_norm.weight", laurel), 1)
		h = scaled(h, 1/math.Sqrt2)
		ffn := m.gemmaNetwork(l, m.gemmaNorm(p+"pre_feedforward_layernorm.weight", h))
		add(h, m.gemmaNorm(p+"post_feedforward_layernorm.weight", ffn), 1)
		// AltUp's correction
		add(h, x[t][g.Active], -1)
		innovation := clone(h)
		add(h, x[t][g.Active], 1)
		clip := g.Clip
		if clip == 0 {
			clip = math.Inf(1)
		}
		router, weights := m.modalities(p, h), m.Tensor(p+"altup.correction_coefs.weight").Data
		for i := range x[t] {
			coef := 1.0
			for j, v := range router {
				coef += v * min(clip, max(-clip, float64(weights[i*g.AltUp+j])))
			}
			add(x[t][i], innovation, coef)
		}
		// The layer's own embedding.
		first := clone(x[t][g.Active])
		if !g.NoCorrectScale {
			for i, w := range m.Tensor(p + "altup.correct_output_scale").Data {
				first[i] *= float64(w)
			}
		}
		gate := m.mul(p+"per_layer_input_gate.weight", first)
		for i := range gate {
			gate[i] = gelu(gate[i]) * perLayer[t][l*g.PerLayer+i]
		}
		y := m.gemmaNorm(p+"post_per_layer_input_norm.weight", m.mul(p+"per_layer_projection.weight", gate))
		for i := 1; i < g.AltUp; i++ {
			add(x[t][i], y, 1)
		}
	}
}

// modalities are AltUp's router.
func (m *Model) modalities(prefix string, x []float64) []float64 {
	r := m.mul(prefix+"altup.modality_router.weight", scaled(m.gemmaNorm(prefix+"altup.router_norm.weight", x), 1/float64(len(x))))
	for i := range r {
		r[i] = math.Tanh(r[i])
	}
	return r
}

// projected multiplies a vector with a matrix, and adds its bias if it has one.
func (m *Model) projected(name string, x []float64) []float64 {
	y := m.mul(name+".weight", x)
	if m.gemma.AttentionBias {
		addTo(y, m.Tensor(name+".bias").Data)
	}
	return y
}

// gemmaAttention returns the output of a layer's attention, projected, for the inputs of all positions.
func (m *Model) gemmaAttention(l int, in [][]float64, kv [][2][][]float64) [][]float64 {
	g := m.gemma
	p := fmt.Sprintf("model.layers.%d.self_attn.", l)
	theta, factor := g.Theta, g.Linear
	if g.Sliding[l] == 1 {
		theta, factor = g.LocalTheta, 1
	}
	heads := func(norm string, x []float64, position int) (out []float64) {
		d := g.HeadDim
		for h := 0; h < len(x); h += d {
			v := m.gemmaNorm(norm, x[h:h+d])
			for i := range d / 2 {
				angle := float64(position) / factor * math.Pow(theta, -2*float64(i)/float64(d))
				a, b := v[i], v[i+d/2]
				v[i], v[i+d/2] = a*math.Cos(angle)-b*math.Sin(angle), b*math.Cos(angle)+a*math.Sin(angle)
			}
			out = append(out, v...)
		}
		return out
	}
	if g.kvLayer(l) == l {
		for t := range in {
			kv[l][0] = append(kv[l][0], heads(p+"k_norm.weight", m.projected(p+"k_proj", in[t]), t))
			v := m.projected(p+"v_proj", in[t])
			if g.n() {
				for h := 0; h < len(v); h += g.HeadDim {
					copy(v[h:], unit(v[h:h+g.HeadDim]))
				}
			}
			kv[l][1] = append(kv[l][1], v)
		}
	}
	k, v := kv[g.kvLayer(l)][0], kv[g.kvLayer(l)][1]
	scale := 1 / math.Sqrt(g.Scalar)
	if g.n() {
		scale = 1
	}
	out := make([][]float64, len(in))
	for t := range in {
		q := heads(p+"q_norm.weight", m.projected(p+"q_proj", in[t]), t)
		first := 0
		if g.Sliding[l] == 1 {
			first = max(0, t-g.Window+1)
		}
		mixed := make([]float64, g.Heads*g.HeadDim)
		for h := range g.Heads {
			at := h / (g.Heads / g.KVHeads) * g.HeadDim
			head := mixed[h*g.HeadDim:][:g.HeadDim]
			var sum float64
			for j := first; j <= t; j++ {
				var score float64
				for i := range g.HeadDim {
					score += q[h*g.HeadDim+i] * k[j][at+i]
				}
				w := math.Exp(score * scale)
				sum += w
				add(head, v[j][at:at+g.HeadDim], w)
			}
			copy(head, scaled(head, 1/sum))
		}
		out[t] = m.projected(p+"o_proj", mixed)
	}
	return out
}

// gemmaNetwork is a layer's feed-forward network.
func (m *Model) gemmaNetwork(l int, x []float64) []float64 {
	p := fmt.Sprintf("model.layers.%d.mlp.", l)
	gate, up := m.mul(p+"gate_proj.weight", x), m.mul(p+"up_proj.weight", x)
	cutoff, sparse := 0.0, false
	if s := m.gemma.Sparsity; s != nil && s[l] > 0 {
		var mean, variance float64
		for _, v := range gate {
			mean += v / float64(len(gate))
		}
		for _, v := range gate {
			variance += (v - mean) * (v - mean) / float64(len(gate))
		}
		cutoff, sparse = mean+math.Sqrt(variance)*math.Sqrt2*math.Erfinv(2*s[l]-1), true
	}
	for j := range gate {
		if sparse {
			gate[j] = max(0, gate[j]-cutoff)
		}
		up[j] *= gelu(gate[j])
	}
	return m.mul(p+"down_proj.weight", up)
}

func gelu(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// gemmaNorm is RMSNorm, whose weights Gemma 3 stores less 1.
func (m *Model) gemmaNorm(name string, x []float64) []float64 {
	out := unit(x)
	for i, w := range m.Tensor(name).Data {
		if m.gemma.n() {
			out[i] *= float64(w)
		} else {
			out[i] *= 1 + float64(w)
		}
	}
	return out
}

// unit is RMSNorm without weights.
func unit(x []float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	return scaled(x, 1/math.Sqrt(sum/float64(len(x))+1e-6))
}

// row returns a row of a table, times a number.
func (m *Model) row(name string, i int, by float64) []float64 {
	t := m.Tensor(name)
	n := t.Shape[1]
	out := make([]float64, n)
	for j, v := range t.Data[i*n:][:n] {
		out[j] = float64(v) * by
	}
	return out
}

func scaled(x []float64, by float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * by
	}
	return out
}

func clone(x []float64) []float64 { return append([]float64(nil), x...) }

func add(to, x []float64, by float64) {
	for i, v := range x {
		to[i] += v * by
	}
}

func slicesOf(x []float64, n int) (all [][]float64) {
	for range n {
		all = append(all, x)
	}
	return all
}
