// Package eval measures how well a model predicts a text: its perplexity, and how its predictions differ from those of another model.
//
// A text is cut into windows, and every window is scored, the way llama-perplexity does:
//
//	tokens, err := m.EncodePlain(text)
//	windows, err := eval.Cut(m.Tokenizer(), tokens, 512)
//	report, err := eval.Run(ctx, m, windows, eval.Options{})
//	fmt.Println(report.Perplexity)
//
// With Options.Save the logits of all scored positions are written down (saved.go describes the file), and with Options.Base another
// model is compared with them: the report then has the Kullback-Leibler divergence and more (divergence.go defines it). With Options.Head a model is
// compared with itself where rows of its language-model head are left out (head.go).
package eval
