package main

import (
	"context"
	"errors"
	"io/fs"

	"st/cmd/internal/textfile"
)

// readAll reads a whole text, such as a prompt, from a named file or for "-" from standard input.
func (a *app) readAll(ctx context.Context, path string) (string, error) {
	if path == "-" {
		return textfile.ReadFrom(ctx, a.stdin, inputName(path))
	}
	return textfile.Read(ctx, path)
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
