// Package plaintext decodes texts that people, editors and other programs wrote: prompts, and the small files of checkpoints.
//
// A byte order mark says which encoding a text has: UTF-8, UTF-16 or UTF-32. Without one it is UTF-8. The text that comes out is UTF-8
// without a mark.
//
//	text, err := plaintext.Decode(data)
//	if errors.Is(err, plaintext.ErrNotText) { … } // a part of a sentence: the caller adds the file's name
package plaintext
