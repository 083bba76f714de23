package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"st/format/outfile"
	"st/runtime"
)

// promptCache returns a sequence that generates after a prompt whose KV cache is kept in a file: what the file has of the prompt is not run. The file
// is written when the prompt has run, if there is anything new in it. What is wrong with that is known at the end, of done: the text is worth more
// than the file.
func (a *app) promptCache(ctx context.Context, m *runtime.Model, path string, prompt []int32, g *runtime.Generate) (q *runtime.Sequence, done func() error, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := checkOutput(path, true, m.Path()); err != nil {
		return nil, nil, err
	}
	q, _, err = m.LoadSequence(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		if q, err = m.NewSequence(); err == nil { // a directory that is not there is told before the prompt has run
			if _, err = os.Stat(filepath.Dir(path)); err != nil {
				err = fmt.Errorf("the directory of %s: %w", path, err)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	c := &promptFile{app: a, path: path, sequence: q, prompt: len(prompt), kept: q.Len(), shared: q.Shared(prompt)}
	// Shared never counts the last token of a prompt: of a prompt of one it does not tell whether the file has it.
	if c.kept == 0 || len(prompt) == 1 && q.Tokens()[0] != prompt[0] || c.shared < len(prompt)-1 {
		c.wanted = true
		next := g.Prefilled
		g.Prefilled = func() error {
			c.write(ctx)
			if next == nil {
				return nil
			}
			return next()
		}
	}
	return q, func() error {
		c.writePart(ctx)
		return errors.Join(c.err, q.Close())
	}, nil
}

// promptFile writes the KV cache of a prompt to a file.
type promptFile struct {
	app          *app
	path         string
	sequence     *runtime.Sequence
	prompt       int  // tokens that the prompt has
	kept, shared int  // tokens that the file has, and of these those that the prompt begins with
	wanted       bool // there is something to be written, and it was not tried yet
	err          error
}

// write keeps a prompt that has run.
func (c *promptFile) write(ctx context.Context) {
	c.wanted = false
	switch c.err = c.sequence.SaveContext(ctx, c.path, nil); {
	case errors.Is(c.err, outfile.ErrBusy):
		c.app.note("note: %v: this prompt is not kept", c.err)
		c.err = nil
	case c.err == nil && c.sequence.Len() < c.prompt:
		c.app.note("note: %s keeps the first %d of the prompt's %s: the same command goes on from there", c.path, c.sequence.Len(), plural(c.prompt, "token"))
	case c.err == nil && c.shared < c.kept:
		c.app.note("note: %s was replaced: it had %s of another prompt, of which this one begins with %d", c.path, plural(c.kept, "token"), c.shared)
	}
}

// writePart keeps what has run of a prompt that was interrupted, unless the file has another one: half a prompt is no reason to lose that.
func (c *promptFile) writePart(ctx context.Context) {
	if c.wanted && c.shared == c.kept && c.sequence.Len() > c.kept {
		c.write(context.WithoutCancel(ctx))
	}
}
