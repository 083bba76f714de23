// Package hffile reads the small files of Hugging Face checkpoints that are JSON, as Python programs and editors write them: with NaN and
// Infinity, with a byte order mark, or in UTF-16.
//
// Errors are parts of a sentence that names the file: the caller adds its name.
package hffile
