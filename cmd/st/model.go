package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"time"

	"st/format"
	"st/runtime/engine"
	"st/tokenizer"
)

// model is a file that is ready to run.
type model struct {
	reader   *format.Reader
	engine   *engine.Engine
	tok      *tokenizer.Tokenizer // nil if the file has none
	trace    *traceFile           // nil: none is written
	record   bool                 // in the file which experts were used
	note     func(format string, args ...any)
	loadTime time.Duration
}

// openModel opens a file and prepares it for running. A longer context than the model was trained for is allowed, with a
// note.
func (a *app) openModel(path string, opts engineFlags) (_ *model, err error) {
	begin := time.Now()
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if opts.window > 0 {
		opts.Context = min(opts.window, r.Config.Context)
	}
	if opts.Context > r.Config.Context {
		a.note("note: a context of %d tokens is more than the %d that the model was trained for", opts.Context, r.Config.Context)
	}
	var trace *traceFile
	var tok *tokenizer.Tokenizer
	if len(r.Tokenizer) > 0 {
		if tok, err = tokenizer.Load(r.Tokenizer); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if opts.record {
		if err = r.CheckRecordUsage(); err != nil {
			return nil, err
		}
	}
	if opts.trace != "" {
		if trace, err = newTraceFile(opts.trace, engine.TraceShape(&r.Config), &opts.Options); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				trace.abort()
			}
		}()
	}
	allowed, from := engine.AllowedMemory()
	a.chooseMemory(r, &opts.Options, allowed, from)
	if opts.Memory > 0 {
		// Reads return on threads of their own, which must not wait for one that computes.
		threads := cmp.Or(opts.Threads, engine.PhysicalCores())
		goruntime.GOMAXPROCS(max(goruntime.GOMAXPROCS(0), threads+engine.Readers+1))
	}
	engine, err := engine.Open(context.Background(), r, opts.Options)
	if err != nil {
		return nil, err
	}
	if n := engine.Context(); opts.Context == 0 && n < r.Config.Context {
		a.note("note: the context is %d tokens instead of %d, whose KV cache would not fit: give more --memory, or a --kv-type that takes less",
			n, r.Config.Context)
	}
	return &model{reader: r, engine: engine, tok: tok, trace: trace, record: opts.record, note: a.note, loadTime: time.Since(begin)}, nil
}

// chooseMemory bounds the memory of a model that does not fit in what is allowed; 0: that is not known. A bound that was asked for
// stays, with a note if it is more than that.
func (a *app) chooseMemory(r *format.Reader, opts *engine.Options, allowed int64, from string) {
	opts.Other = residentBytes()
	need := engine.NeededMemory(r, *opts)
	switch {
	case allowed == 0 || min(need, cmp.Or(opts.Memory, need)) <= allowed:
	case opts.Memory > 0:
		a.note("note: --memory %s is more than %s allows, %s: the system may end the program", size(opts.Memory), from, size(allowed))
	default:
		opts.Memory = max(1, allowed/20*19>>20) << 20 // in whole MiB: what the note says can be typed
		a.note("note: %s needs %s, and %s allows %s: running as with --memory %dMiB", filepath.Base(r.Path()), size(need), from,
			size(allowed), opts.Memory>>20)
	}
}

// openTextModel is openModel for commands that cannot do without a tokenizer.
func (a *app) openTextModel(path string, opts engineFlags) (*model, error) {
	m, err := a.openModel(path, opts)
	if err == nil && m.tok == nil {
		m.close(new(error))
		err = fmt.Errorf("%s has no tokenizer, because its checkpoint had none: it runs on token ids only, see st logits", path)
	}
	return m, err
}

// close ends a run. What it wrote down gets its name; err becomes the error of that, unless it is one already.
func (m *model) close(err *error) {
	if usage := m.engine.Usage(); m.record && usage.Tokens > 0 {
		path, e := m.reader.RecordUsage(usage)
		if e == nil {
			m.note("note: recorded in %s which experts %s used", path, plural(int(usage.Tokens), "token"))
		} else if *err == nil {
			*err = e
		}
	}
	m.engine.Close()
	m.reader.Close()
	if m.trace != nil {
		if e := m.trace.close(); *err == nil {
			*err = e
		}
	}
}

// bos returns the token that begins a text, if there is one.
func (m *model) bos() (int32, bool) {
	if id, ok := m.tok.BOS(); ok {
		return id, true
	}
	if id := m.reader.Generation.BOS; id != nil {
		return *id, true
	}
	return 0, false
}

// eos returns the tokens that end a text.
func (m *model) eos() []int32 {
	if ids := m.reader.Generation.EOS; len(ids) > 0 {
		return ids
	}
	if id, ok := m.tok.EOS(); ok {
		return []int32{id}
	}
	return nil
}

// encode returns the tokens of a raw text, which begins with BOS if the model expects that.
func (m *model) encode(text string) []int32 {
	ids := m.tok.Encode(text, true)
	if bos, ok := m.tok.BOS(); ok && m.tok.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		ids = append([]int32{bos}, ids...)
	}
	return ids
}

// readAll reads a whole text, such as a prompt, from a named file or for "-" from standard input.
func (a *app) readAll(ctx context.Context, path string) (string, error) {
	type result struct {
		text []byte
		err  error
	}
	// A read of a terminal or a pipe, which may have a name, cannot be interrupted, but it need not be waited for.
	done := make(chan result, 1)
	go func() {
		var r result
		if path == "-" {
			r.text, r.err = io.ReadAll(a.stdin)
		} else {
			r.text, r.err = os.ReadFile(path)
		}
		done <- r
	}()
	select {
	case r := <-done:
		return string(r.text), r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// inputName is what a person calls an input file.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// newSession returns an empty sequence of a model that is open.
func newSession(e *engine.Engine) *engine.Session {
	s, err := e.NewSession()
	if err != nil {
		panic(err) // commands close a model when they are done with it
	}
	return s
}
