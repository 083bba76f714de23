// Package textfile reads texts that people give to a program: files in the encodings that editors and shells write.
//
// A byte order mark says which encoding a text has: UTF-8, UTF-16 or UTF-32. Without one it is UTF-8. The text that comes out is UTF-8
// without a mark.
//
//	prompt, err := textfile.Read(ctx, "prompt.txt", 1<<20) // no more than 1 MiB
//	if errors.Is(err, textfile.ErrNotText) { … }           // the error names the file
//
// [ReadFrom] is for what is open already, such as standard input, [Lines] for what is answered line by line as it comes, [Decode] for what is in
// memory, and [Check] for arguments. [Wait] lets a context end the wait
// for a pipe or a terminal.
package textfile
