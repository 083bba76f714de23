// Package selfcal converts models with GPTQ and without a text to calibrate on: the model writes it.
//
//	result, err := selfcal.Convert(ctx, "SmallThinker-4BA0.6B-Instruct", "4b.stm", selfcal.Options{
//		Options: convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}},
//	})
//
// There are four stages. Each keeps what it made beside the target, so that a run that was interrupted goes on where it was when it is
// started again:
//
//	draft      the source becomes a model of Q4_0        4b.stm.draft.stm
//	text       which writes sequences of tokens          4b.stm.calibration.json
//	calibrate  and runs them, in as many parts as        4b.stm.calibration-1-of-3.safetensors, …
//	           the covariances need to fit in memory
//	encode     the source becomes the target             4b.stm
//
// 4b.stm.calibration.json is the journal (journal.go): it names the source's files and what was made of them by SHA-256, and what does not
// match is made anew. All of these files are removed when the target is complete.
//
// That a draft of four bits will do was measured: docs/quantization.md has the figures. It takes a quarter of the memory and of the disk that a
// draft without loss would take. text.go says what the model writes, memory.go how all this stays within a budget. The result has the same
// bits for the same source, seed and number of tokens, with any number of threads and any budget.
package selfcal
