// Package weightstats measures the weights of a model file: how large they are, how coarsely they are stored, which of them stand
// out, which neurons can never act and which experts resemble each other. It reads a file once, record by record:
//
//	report, err := weightstats.Measure(ctx, r, weightstats.Options{Layer: -1})
//	report.Layers[3].Experts[17].Gate.RMS()
//
// The measure of size is the root mean square, about zero: weights of trained matrices have a mean near it. An outlier is a weight
// beyond [OutlierSigma] times the RMS of its own matrix. Sums are exact but for the rounding of float64 additions: in a block format
// the sum of squares of a block is its scale squared times a whole number, so weights need not be decoded one by one. A weight that
// is NaN or infinite is counted, and left out of everything else.
//
// Experts of a layer are compared by the cosine of all their weights, position by position, which is how experts that were upcycled
// from the same weights resemble each other: it does not find an expert whose neurons were put in another order. All pairs of a
// layer would cost far more than reading it, so each expert is projected to [SketchSize] numbers, and these are compared
// (see sketch.go). The result is an estimate, with a standard error.
package weightstats
