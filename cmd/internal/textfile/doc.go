// Package textfile reads texts that people give to a program: files in the encodings that editors and shells write, which package plaintext decodes.
//
//	prompt, err := textfile.Read(ctx, "prompt.txt", 1<<20) // no more than 1 MiB
//	if errors.Is(err, plaintext.ErrNotText) { … }          // the error names the file
//
// [ReadFrom] is for what is open already, such as standard input, [Lines] for what is answered line by line as it comes, and [Check] for arguments.
// [Wait] lets a context end the wait for a pipe or a terminal.
package textfile
