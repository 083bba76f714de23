// Synth writes a synthetic checkpoint of SmallThinker, Qwen3-MoE, Qwen3, Gemma 3 or Gemma 3n in the Hugging Face layout: random weights, any shape, but
// with the sparsity and the expert locality that were measured on the published SmallThinker models, for measurements of speed,
// cache hit rates and memory where the real weights are not at hand. It makes one layer at a time, so that its memory does not grow
// with the model.
//
//	go run ./cmd/synth -shape 4b -o DIR
//	go run ./cmd/synth -shape qwen3-30b-a3b -layers 6 -o DIR
//
// The targets are those of the SmallThinker technical report (arXiv 2507.20984):
//
//   - Neurons. Inside routed experts the median neuron sparsity is above 0.6 in every layer and reaches 0.9 to 1.0 in the
//     first ones. -density is the share of active neurons, 0.35 in the mean over the layers, with a ramp over the first
//     tenth of them. Neurons differ: some are hot and some cold, on all tokens.
//   - Experts. 70 to 80 % of the experts are active for less than 14 % of the tokens, and a static best quarter covers
//     about two thirds of the uses (-coverage). The popular experts are then active for a third of the tokens in the 4b
//     shape; the 40 to 60 % that the report finds within one task take a higher -coverage.
//   - Locality. Tokens reuse their predecessors' experts more often than popularity alone explains, except in layer 0,
//     whose router sees nothing but the token. No figure is published for it: -locality sets how much.
//
// There are no biases, so the shifts come from a direction that all tokens share, as they do in real models: it is part
// of every embedding, attention restores its share of the residual stream in each layer, and a weight row that leans
// along it has a biased product with every token. Layer by layer, a float32 forward pass of random-token sequences is
// run through the weights just made: gates lean against the mean of their input as far as each neuron's rate asks,
// given its measured spread, and router rows, which read the raw stream, along its mean until each expert is chosen for
// its share of the tokens. The locality comes from attention: queries and keys have a constant part that RoPE turns
// into power laws of the distance, so every token's stream holds a moving average of its recent past. The figures
// reported are those of other sequences than the calibration's.
//
// Qwen3-MoE gets the same popularity and locality of experts; its router reads the normalised stream after attention, and all neurons
// act. The weights of its query and key norms bring queries and keys back to the size that they had before.
//
// A predictor of the language-model head (-head-predictor) foretells little of random rows: it is for measuring speed. One for a model that was
// trained, such as the one in testdata, is fitted on a text:
//
//	st convert testdata/tiny-smallthinker -o tiny-f32.stm --type f32
//	go run ./cmd/synth -fit-predictor tiny-f32.stm -predictor-rank 64 -text FILE -o DIR
//
// Those of Gemma 3 and Gemma 3n are plain random weights (-calibrate has no effect): their sparse layers find the share of neurons that they leave out by
// themselves.
//
// All other weights are Gaussian with the deviation 1/sqrt(fan-in); norms are near 1, the last one scaled for logits of
// a sensible temperature. The embedding is small against what layer 0 adds, so that with tied embeddings a token does
// not predict itself.
package main
