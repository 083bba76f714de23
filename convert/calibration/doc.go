// Package calibration holds what a text tells of how much a model's weights count: the mean squares of the inputs that its
// matrices are multiplied with.
//
// The expected squared error of an output y = Σ w[c]·x[c] is Σ Δw[c]²·E[x[c]²], if the errors of the weights are independent
// of one another. So quantization with E[x[c]²] as the importance of column c makes the outputs' error least, not the weights'.
// This is what llama.cpp's importance matrix holds too, and the diagonal of what GPTQ (arXiv 2210.17323) works with.
//
// A [Collector] is shown a run of the model, and makes [Statistics], which are written to a file. [Open] reads it, and
// [Statistics.Importance] says how much the columns of a matrix count: see the example.
//
// Covariances take much memory. A [Part] of them is collected at a time where there is less, and Open takes the files of all parts.
//
// The file is in the safetensors format, with one vector or matrix of F32 for each place in the model: see statistics.go.
package calibration
