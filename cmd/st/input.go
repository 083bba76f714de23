package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"st/cmd/internal/textfile"
	"st/runtime"
)

// readAll reads a whole text, such as a prompt, from a named file or for "-" from standard input. A text that is longer than most bytes is
// refused; 0: any length.
func (a *app) readAll(ctx context.Context, path string, most int64) (string, error) {
	if path == "-" {
		return textfile.ReadFrom(ctx, a.stdin, inputName(path), most)
	}
	return textfile.Read(ctx, path, most)
}

// readFile is os.ReadFile that does not wait for who writes to a pipe when ctx ends.
func readFile(ctx context.Context, path string) ([]byte, error) {
	return textfile.Wait(ctx, func() ([]byte, error) { return os.ReadFile(path) })
}

// readText reads a text that a model is going to run: what it takes counts in --memory.
func (a *app) readText(ctx context.Context, path string, f *engineFlags) (string, error) {
	var most int64
	if f.Memory > 0 {
		most = max(1<<20, f.Memory/runtime.TextMemory(1)) // so that a budget in which nothing runs is told to be that
	}
	text, err := a.readAll(ctx, path, most)
	if errors.Is(err, textfile.ErrTooLong) {
		return "", fmt.Errorf("%w: --memory %s leaves room for %s at most, as its tokens take memory, too", err, runtime.FormatBytes(f.Memory), size(most))
	}
	f.text = len(text)
	if path != "-" {
		f.inputs = append(f.inputs, path)
	}
	return text, err
}

// checkArgument refuses a text on the command line that is not UTF-8, as one in a file is refused. name is of the argument or the flag.
func checkArgument(name, text string) error {
	if err := textfile.Check(text); err != nil {
		return usagef("%s: %v", name, err)
	}
	return nil
}

// inputName is what a person calls an input file.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// cause returns what the operating system said of a file that the message names itself.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
