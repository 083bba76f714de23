// Package bench measures how fast a model reads a prompt and generates after it, and how fast the machine reads memory.
//
//	tokens, err := bench.Tokens(m, bench.Text, 512)
//	report, err := bench.Run(ctx, m, tokens, bench.Options{Gen: 128, Repeat: 5})
//	fmt.Println(report.PromptPerSecond, report.GenPerSecond)
//
// Speeds are medians of repetitions after a run to warm up. Sampling is part of generation.
package bench
