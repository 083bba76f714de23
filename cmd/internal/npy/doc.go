// Package npy writes NumPy's .npy files (format version 1.0, numpy.org/doc/stable/reference/generated/numpy.lib.format.html) of float32
// matrices, row by row, so that a matrix need not be in memory. numpy.load reads them.
//
//	w, err := npy.NewWriter(file, len(tokens), vocab)
//	for logits := range rows {
//		err = w.Write(logits) // one row, or any part of the rows
//	}
package npy
