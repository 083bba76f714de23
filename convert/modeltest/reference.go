package modeltest

import (
	"fmt"
	"math"
	"sort"
)

// Logits runs the model over tokens and returns the logits of every position. Nothing is kept from one position to the next,
// nothing is blocked or skipped: each formula of the architectures (arXiv 2507.20984, 2505.09388, 2404.14219) is one loop.
func (m *Model) Logits(tokens []int32) [][]float32 {
	if m.gemma != nil {
		return m.gemmaLogits(tokens)
	}
	s := m.Shape
	x := make([][]float64, len(tokens))
	for t, id := range tokens {
		x[t] = make([]float64, s.Hidden)
		for i := range x[t] {
			x[t][i] = float64(m.Tensor("model.embed_tokens.weight").Data[int(id)*s.Hidden+i])
		}
	}
	for l := range s.Layers {
		m.layer(l, x)
	}
	head := "model.embed_tokens.weight"
	if s.Untied {
		head = "lm_head.weight"
	}
	out := make([][]float32, len(tokens))
	for t := range x {
		for _, v := range m.mul(head, m.norm("model.norm.weight", x[t])) {
			out[t] = append(out[t], float32(v))
		}
	}
	return out
}

func (m *Model) layer(l int, x [][]float64) {
	s := m.Shape
	p := fmt.Sprintf("model.layers.%d.", l)
	router := make([][]float64, len(x))
	q, k, v := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
	for t := range x {
		if s.Arch == "smallthinker" || s.Arch == "" {
			router[t] = m.mul(s.router(l), x[t]) // of the raw input of the layer
		}
		n := m.norm(p+"input_layernorm.weight", x[t])
		if s.Arch == "phi3" {
			qkv, ends := m.mul(p+"self_attn.qkv_proj.weight", n), s.Heads*s.HeadDim
			q[t], k[t], v[t] = qkv[:ends], qkv[ends:][:s.KVHeads*s.HeadDim], qkv[ends+s.KVHeads*s.HeadDim:]
		} else {
			q[t] = m.mul(p+"self_attn.q_proj.weight", n)
			k[t] = m.mul(p+"self_attn.k_proj.weight", n)
			v[t] = m.mul(p+"self_attn.v_proj.weight", n)
		}
		if s.AttentionBias {
			addTo(q[t], m.Tensor(p+"self_attn.q_proj.bias").Data)
			addTo(k[t], m.Tensor(p+"self_attn.k_proj.bias").Data)
			addTo(v[t], m.Tensor(p+"self_attn.v_proj.bias").Data)
		}
		if s.qwen() {
			q[t] = m.normHeads(p+"self_attn.q_norm.weight", q[t])
			k[t] = m.normHeads(p+"self_attn.k_norm.weight", k[t])
		}
		if s.RoPE[l] == 1 {
			m.rotate(q[t], t, len(x))
			m.rotate(k[t], t, len(x))
		}
	}
	for t := range x {
		first := 0
		if s.Sliding[l] == 1 {
			first = max(0, t-s.Window+1)
		}
		mixed := make([]float64, s.Heads*s.HeadDim)
		for h := range s.Heads {
			g := h / (s.Heads / s.KVHeads)
			weights := make([]float64, t+1)
			var sum float64
			for j := first; j <= t; j++ {
				for i := range s.HeadDim {
					weights[j] += q[t][h*s.HeadDim+i] * k[j][g*s.HeadDim+i]
				}
				weights[j] = math.Exp(weights[j] / math.Sqrt(float64(s.HeadDim)))
				sum += weights[j]
			}
			for j := first; j <= t; j++ {
				for i := range s.HeadDim {
					mixed[h*s.HeadDim+i] += weights[j] / sum * v[j][g*s.HeadDim+i]
				}
			}
		}
		for i, o := range m.mul(p+"self_attn.o_proj.weight", mixed) {
			x[t][i] += o
		}
		if s.AttentionBias {
			addTo(x[t], m.Tensor(p+"self_attn.o_proj.bias").Data)
		}
		m.feedForward(l, x[t], router[t])
	}
}

// feedForward adds the output of the feed-forward network, be it of chosen experts, to h.
func (m *Model) feedForward(l int, h, router []float64) {
	s := m.Shape
	prefix := fmt.Sprintf("model.layers.%d.", l)
	z := m.norm(prefix+"post_attention_layernorm.weight", h)
	if !s.HasExperts(l) {
		m.network(h, z, 1, func(matrix string) string { return prefix + "mlp." + matrix + "_proj.weight" })
		return
	}
	if s.qwen() {
		router = m.mul(s.router(l), z)
	}
	order := make([]int, s.Experts)
	for e := range order {
		order[e] = e
	}
	sort.SliceStable(order, func(i, j int) bool { return router[order[i]] > router[order[j]] })
	weights := make([]float64, s.Experts)
	var sum, all float64
	for i := range weights {
		if s.Softmax || s.qwen() {
			weights[i] = math.Exp(router[order[i]])
		} else {
			weights[i] = 1 / (1 + math.Exp(-router[order[i]]))
		}
		if i < s.TopK {
			sum += weights[i]
		}
		all += weights[i]
	}
	if s.qwen() && !s.NormTopK {
		sum = all
	}
	for i, w := range weights[:s.TopK] {
		m.network(h, z, w/sum, func(matrix string) string { return s.expert(l, order[i], matrix) })
	}
}

// network adds w times a feed-forward network's output for z to h.
func (m *Model) network(h, z []float64, w float64, name func(matrix string) string) {
	var gate, up []float64
	if m.Shape.Arch == "phi3" {
		both := m.mul(name("gate_up"), z)
		gate, up = both[:len(both)/2], both[len(both)/2:]
	} else {
		gate, up = m.mul(name("gate"), z), m.mul(name("up"), z)
	}
	for j, g := range gate {
		if m.Shape.qwen() || m.Shape.Arch == "phi3" {
			up[j] *= g / (1 + math.Exp(-g))
		} else {
			up[j] *= max(0, g)
		}
	}
	for j, d := range m.mul(name("down"), up) {
		h[j] += w * d
	}
}

// normHeads normalises every head by itself.
func (m *Model) normHeads(name string, x []float64) (out []float64) {
	for d := m.Shape.HeadDim; len(x) > 0; x = x[d:] {
		out = append(out, m.norm(name, x[:d])...)
	}
	return out
}

// mul multiplies a matrix [out, in] with a vector.
func (m *Model) mul(name string, x []float64) []float64 {
	t := m.Tensor(name)
	out := make([]float64, t.Shape[0])
	for r := range out {
		for i, v := range x {
			out[r] += float64(t.Data[r*len(x)+i]) * v
		}
	}
	return out
}

func addTo(x []float64, y []float32) {
	for i := range x {
		x[i] += float64(y[i])
	}
}

func (m *Model) norm(name string, x []float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+1e-6)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * scale * float64(m.Tensor(name).Data[i])
	}
	return out
}

// rotate applies RoPE, in its "rotate half" form, to every head of a position in a text of n tokens.
func (m *Model) rotate(x []float64, position, n int) {
	d := m.Shape.HeadDim
	frequencies, scale := m.frequencies(n)
	for h := 0; h < len(x); h += d {
		for i, f := range frequencies {
			angle := float64(position) * f
			j := i + len(frequencies)
			a, b := x[h+i], x[h+j]
			x[h+i] = (a*math.Cos(angle) - b*math.Sin(angle)) * scale
			x[h+j] = (a*math.Sin(angle) + b*math.Cos(angle)) * scale
		}
	}
}

// number is a number of rope_parameters, or another if they have none of that name.
func number(parameters map[string]any, name string, or float64) float64 {
	switch v := parameters[name].(type) {
	case float64:
		return v
	case int:
		return float64(v)
	}
	return or
}

// frequencies returns the angles of a step in a text of n tokens, and what rotated numbers are multiplied with: stretched linearly or by
// dynamic NTK, those of YaRN (arXiv 2309.00071), section 3.2 and equation 22, of Llama 3.1, or of LongRoPE (arXiv 2402.13753), if the shape has it.
func (m *Model) frequencies(n int) (f []float64, scale float64) {
	rotary := int(float64(m.Shape.HeadDim) * m.Shape.partial())
	d := float64(rotary)
	theta := m.Shape.Theta
	for i := range rotary / 2 {
		f = append(f, math.Pow(theta, -2*float64(i)/d))
	}
	if m.Shape.LongRoPE != nil {
		return m.longRoPE(f, n)
	}
	y := m.Shape.Scaling
	if y == nil {
		return f, 1
	}
	get := func(name string, or float64) float64 { return number(y, name, or) }
	context := get("original_max_position_embeddings", float64(m.Shape.Context))
	factor := get("factor", float64(m.Shape.Context)/context)
	switch y["rope_type"] {
	case "dynamic":
		base := theta // Transformers' _compute_dynamic_ntk_parameters
		if float64(n) > float64(m.Shape.Context) {
			base *= math.Pow(factor*float64(n)/float64(m.Shape.Context)-(factor-1), d/(d-2))
		}
		for i := range f {
			f[i] = math.Pow(base, -2*float64(i)/d)
		}
		return f, 1
	case "linear":
		for i := range f {
			f[i] /= factor
		}
		return f, 1
	case "llama3":
		low, high := context/get("low_freq_factor", 0), context/get("high_freq_factor", 0)
		for i := range f {
			wavelength := 2 * math.Pi / f[i]
			smooth := (context/wavelength - context/low) / (context/high - context/low)
			f[i] *= (1-min(1, max(0, smooth)))/factor + min(1, max(0, smooth))
		}
		return f, 1
	}
	return m.yarn(f, context, factor), get("attention_factor", 0.1*math.Log(factor)+1)
}

// yarn divides frequencies that turn seldom within the context.
func (m *Model) yarn(f []float64, context, factor float64) []float64 {
	y, d := m.Shape.Scaling, float64(2*len(f))
	// The dimension that turns so many times within the context.
	dimension := func(turns float64) float64 {
		return d * math.Log(context/(turns*2*math.Pi)) / (2 * math.Log(m.Shape.Theta))
	}
	low, high := dimension(number(y, "beta_fast", 32)), dimension(number(y, "beta_slow", 1))
	if y["truncate"] != false {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, d-1)
	if low == high {
		high += 0.001
	}
	for i := range f {
		stretched := min(max((float64(i)-low)/(high-low), 0), 1)
		f[i] = f[i]*(1-stretched) + f[i]/factor*stretched
	}
	return f
}

// longRoPE divides frequencies by the factors of a text of n tokens.
func (m *Model) longRoPE(f []float64, n int) ([]float64, float64) {
	original, which := number(m.Shape.LongRoPE, "original_max_position_embeddings", 0), "short_factor"
	if float64(n) > original {
		which = "long_factor"
	}
	switch factors := m.Shape.LongRoPE[which].(type) {
	case []float64:
		for i := range f {
			f[i] /= factors[i]
		}
	case []any:
		for i := range f {
			f[i] /= factors[i].(float64)
		}
	}
	scale := number(m.Shape.LongRoPE, "attention_factor", 0)
	if scale == 0 {
		stretch := number(m.Shape.LongRoPE, "factor", 0)
		if stretch == 0 {
			stretch = float64(m.Shape.Context) / original
		}
		scale = math.Sqrt(1 + math.Log(max(1, stretch))/math.Log(original))
	}
	return f, scale
}
