package tables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/cmd/internal/terminal"
	"st/format"
)

// architecture tells what a model is made of.
func architecture(c *format.Config) []terminal.Fact {
	head := "a head of its own"
	if c.TiedEmbeddings {
		head = "tied to the head"
	}
	facts := []terminal.Fact{
		{Name: "architecture", Value: fmt.Sprintf("%s, %s of width %d, context %s", c.Architecture, terminal.Plural(c.Layers, "layer"), c.Hidden,
			terminal.Comma(c.Context))},
		{Name: "layers", Value: layerStrip(c)},
		{Name: "", Value: layerLegend(c)},
		{Name: "attention", Value: attention(c)},
	}
	if m := c.MoE; m != nil {
		facts = append(facts, terminal.Fact{Name: "experts", Value: fmt.Sprintf("%d a layer, %d active, %d neurons each, %s, %s", m.Experts,
			m.ExpertsPerToken, m.ExpertFFN, activationName(c.Activation), routerName(m))})
	}
	if dense := denseLayers(c); len(dense) > 0 {
		facts = append(facts, terminal.Fact{Name: "dense", Value: fmt.Sprintf("%s of %s neurons, %s, %s", terminal.Plural(len(dense), "feed-forward network"),
			neurons(c), activationName(c.Activation), inLayers(dense, c.Layers))})
	}
	facts = append(facts, gemmaFacts(c)...)
	return append(facts, terminal.Fact{Name: "embeddings", Value: fmt.Sprintf("%s tokens, %s", terminal.Comma(c.Vocab), head)})
}

// neurons tells how many neurons networks of layers without experts have.
func neurons(c *format.Config) string {
	if c.FFNLayout == nil {
		return fmt.Sprint(c.FFN)
	}
	return fmt.Sprintf("%d to %d", slices.Min(c.FFNLayout), c.FFN)
}

// gemmaFacts tells of the parts that Gemma's architectures have.
func gemmaFacts(c *format.Config) []terminal.Fact {
	var facts []terminal.Fact
	add := func(name, text string, args ...any) {
		facts = append(facts, terminal.Fact{Name: name, Value: fmt.Sprintf(text, args...)})
	}
	var sparse []int
	for l := range c.Layers {
		if c.SparseFFN(l) {
			sparse = append(sparse, l)
		}
	}
	if len(sparse) > 0 {
		add("sparse", "about %.0f %% of the neurons are left out %s", 100*c.Sparsity[sparse[0]], inLayers(sparse, c.Layers))
	}
	if c.KVShared > 0 {
		add("shared KV", "the last %s attend to keys and values of layers before them", terminal.Plural(c.KVShared, "layer"))
	}
	if a := c.AltUp; a != nil {
		add("residual", "%d vectors (AltUp), and one of rank %d beside attention (LAuReL)", a.Inputs, c.LaurelRank)
	}
	if p := c.PerLayerInput; p != nil {
		add("per layer", "embeddings of width %d for each layer, of %s tokens, read from the file row by row", p.Size, terminal.Comma(p.Vocab))
	}
	return facts
}

func attention(c *format.Config) string {
	s := fmt.Sprintf("%s of %d over %s", terminal.Plural(c.Heads, "head"), c.HeadDim, terminal.Plural(c.KVHeads, "KV head"))
	if slices.Contains(c.RoPELayout, true) {
		s += fmt.Sprintf(", RoPE theta %g", c.RoPETheta)
		s += ropeScaling(c.RoPEScaling)
	}
	if r := c.LocalRoPE; r != nil {
		s += fmt.Sprintf("; in layers that slide theta %g", r.Theta) + ropeScaling(r.Scaling)
	}
	if c.AttentionBias {
		s += ", biases"
	}
	if c.QKNorm {
		s += ", QK norm"
	}
	return s
}

func ropeScaling(s *format.RoPEScaling) string {
	switch {
	case s == nil:
		return ""
	case s.Type == format.Linear:
		return fmt.Sprintf(", stretched by %g", s.Factor)
	case s.Type == format.LongRoPE:
		return fmt.Sprintf(", LongRoPE above %s tokens", terminal.Comma(s.OriginalContext))
	}
	name := map[format.RoPEScalingType]string{format.YaRN: "YaRN", format.Llama3: "Llama 3's"}[s.Type]
	return fmt.Sprintf(", %s by %g from %s", name, s.Factor, terminal.Comma(s.OriginalContext))
}

func activationName(a format.Activation) string {
	switch a {
	case format.ReLU:
		return "ReLU"
	case format.SiLU:
		return "SiLU"
	case format.GELU:
		return "GELU"
	}
	return string(a)
}

// routerName tells how the weights of a token's experts come from the router's logits: by the softmax of those of the chosen experts,
// by the softmax of all, or by sigmoids over their sum.
func routerName(m *format.MoE) string {
	switch {
	case m.SoftmaxAll:
		return "softmax router, not normalised"
	case m.RouterSoftmax:
		return "softmax router"
	}
	return "sigmoid router"
}

func denseLayers(c *format.Config) []int {
	var all []int
	for l := range c.Layers {
		if !c.HasExperts(l) {
			all = append(all, l)
		}
	}
	return all
}

// inLayers names some of n layers: "in layers 0 to 2, 5".
func inLayers(some []int, n int) string {
	if len(some) == n {
		return "in all layers"
	}
	var parts []string
	for i := 0; i < len(some); {
		j := i
		for j+1 < len(some) && some[j+1] == some[j]+1 {
			j++
		}
		part := fmt.Sprint(some[i])
		if j > i {
			part += fmt.Sprintf(" to %d", some[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	noun := "layers"
	if len(some) == 1 {
		noun = "layer"
	}
	return "in " + noun + " " + strings.Join(parts, ", ")
}

// layerMark is the character of a layer in the strip.
func layerMark(c *format.Config, l int) byte {
	switch {
	case c.RoPELayout[l] && c.SlidingLayout[l]:
		return 's'
	case c.RoPELayout[l]:
		return 'r'
	case c.SlidingLayout[l]:
		return 'n'
	}
	return 'G'
}

// layerStrip shows every layer as one character, in groups of ten so that they can be counted.
func layerStrip(c *format.Config) string {
	var b strings.Builder
	for l := range c.Layers {
		if l > 0 && l%10 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(layerMark(c, l))
	}
	return b.String()
}

// layerLegend explains the characters that occur in the strip.
func layerLegend(c *format.Config) string {
	number := map[byte]int{}
	for l := range c.Layers {
		number[layerMark(c, l)]++
	}
	means := map[byte]string{
		'G': "NoPE, attends to all positions",
		'r': "RoPE, attends to all positions",
		's': fmt.Sprintf("RoPE, sliding window of %d", c.SlidingWindow),
		'n': fmt.Sprintf("NoPE, sliding window of %d", c.SlidingWindow),
	}
	var parts []string
	for _, mark := range slices.Sorted(maps.Keys(number)) {
		parts = append(parts, fmt.Sprintf("%c: %d × %s", mark, number[mark], means[mark]))
	}
	return strings.Join(parts, "; ")
}
