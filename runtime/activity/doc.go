// Package activity tells what the experts of a model do on a text. A [Collector] is the runtime's observer of experts; its
// [Report] is what is known after a run, and [Compare] tells how two of them differ.
//
//	c := activity.NewCollector(activity.Shape{Layers: 32, Experts: 32, TopK: 4, Neurons: 768})
//	engine.ObserveExperts(c)
//	for _, window := range windows {
//		session.Reset()
//		session.Forward(ctx, window)
//		c.EndSequence() // the next token has none before it
//	}
//	report, err := c.Report()
//
// Every layer is counted for itself. T tokens choose k of n experts each; S_t are those of token t, and u_e is how many tokens
// chose expert e. Then
//
//	frequency     p_e = u_e / T, whose sum is k
//	distribution  q_e = u_e / (k·T), whose sum is 1
//	entropy       H = −Σ q_e · log2 q_e, in bits: log2 n if all experts are used alike
//	hot set       the fewest experts that have 50, 80 or 95 % of all uses
//	locality      mean over consecutive tokens of |S_t ∩ S_t−1| / k: what a cache that only remembers the last token finds
//	  by chance   Σ p_e² / k: what it would be if tokens chose independently, by the same frequencies
//	lift(a, b)    together / expected, where together is how many tokens chose both, and expected = T · p_a · p_b. A token's k
//	              choices differ, so with no preference at all it is (k−1)·n / (k·(n−1)), a little below 1
//	density       of a token and an expert that it chose: active neurons (gate > 0) / neurons. Compare figure 6 of SmallThinker
//	              (arXiv 2507.20984), which shows its complement, sparsity
//
// Pairs of experts are ranked by (together + 5) / (expected + 5): lift, drawn towards 1 where there is little to go by.
//
// Two texts A and B are compared by their layers' distributions:
//
//	total variation  ½ Σ |qA_e − qB_e|: the share of the uses that would have to go to another expert, 0 to 1
//	  by chance      what is to be expected of two texts of these lengths whose frequencies are really the same, if tokens
//	                 were independent: ½ Σ σ_e · √(2/π), σ_e² = p_e·(1−p_e)/k² · (1/TA + 1/TB), p of both texts together.
//	                 Tokens of one text are not quite independent, so a difference has to be well above that to mean anything
//	Jensen-Shannon   H((qA + qB)/2) − (H(qA) + H(qB))/2, in bits, 0 to 1
//	hot overlap      |A ∩ B| / |A ∪ B| of the hot sets (Jaccard)
//
// Quantiles are values that occur: the q-quantile is the smallest that at least a share q of all do not exceed.
package activity
