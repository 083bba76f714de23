// Package activity describes what the experts of a model do on a text. A [Collector] observes the experts while the engine runs; its
// [Report] describes the run, and [Compare] tells how two runs differ. Reports are JSON, which [ReadReport] reads.
//
// A Collector is an engine's ExpertObserver. The engine calls ExpertsUsed; the caller calls EndSequence where a text begins anew.
//
// Every layer that has experts is counted for itself. T tokens choose k of n experts each; S_t is the set of token t, and u_e is how many
// tokens chose expert e. Then
//
//	frequency     p_e = u_e / T, whose sum is k
//	distribution  q_e = u_e / (k·T), whose sum is 1
//	entropy       H = −Σ q_e · log2 q_e, in bits: log2 n if all experts are used alike
//	hot set       the fewest experts that have 50, 80 or 95 % of all uses
//	locality      mean over consecutive tokens of |S_t ∩ S_t−1| / k: the hit rate of a cache that holds the experts of the last token
//	  by chance   Σ p_e² / k: the same if tokens chose independently, with the same frequencies
//	lift(a, b)    together / expected, where together is how many tokens chose both, and expected = T · p_a · p_b. A token's k
//	              choices differ, so without any preference it is (k−1)·n / (k·(n−1)), a little below 1
//	density       of a token and an expert that it chose: active neurons (gate > 0) / neurons. Figure 6 of SmallThinker
//	              (arXiv 2507.20984) shows its complement, sparsity. A dense activation, such as SiLU, has none
//
// Pairs of experts are ranked by (together + 5) / (expected + 5): the lift, drawn towards 1 where there are few tokens.
//
// Two texts A and B are compared by their layers' distributions:
//
//	total variation  ½ Σ |qA_e − qB_e|: the share of the uses that go to other experts, 0 to 1
//	  by chance      the total variation to be expected of two texts of these lengths with the same frequencies, if tokens were
//	                 independent: ½ Σ σ_e · √(2/π), σ_e² = p_e·(1−p_e)/k² · (1/TA + 1/TB), p of both texts together. Tokens of one
//	                 text are not quite independent, so only a variation well above it is a difference
//	Jensen-Shannon   H((qA + qB)/2) − (H(qA) + H(qB))/2, in bits, 0 to 1
//	hot overlap      |A ∩ B| / |A ∪ B| of the hot sets (Jaccard)
//
// Quantiles are values that occur: the q-quantile is the smallest that at least a share q of all do not exceed.
package activity
