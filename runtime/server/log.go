package server

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"st/runtime"
)

// logKey is the key of a request's logEntry in its context.
type logKey struct{}

// logEntry collects what the log tells of a request.
type logEntry struct {
	mu    sync.Mutex
	attrs []slog.Attr
	model *served // nil: it is not known
	field string  // that says what the answer must be like; empty: none does

	// Of all texts together, of which a request may have thousands.
	texts, prompt, cached, tokens int
	stops                         []string
}

// take returns what was collected.
func (e *logEntry) take() []slog.Attr {
	e.mu.Lock()
	defer e.mu.Unlock()
	attrs := e.attrs
	slices.Sort(e.stops) // choices may end in any order
	if e.texts > 1 {
		attrs = append(attrs, slog.Int("texts", e.texts))
	}
	if e.texts > 0 {
		attrs = append(attrs, slog.Int("prompt_tokens", e.prompt), slog.Int("cached_tokens", e.cached), slog.Int("tokens", e.tokens),
			slog.String("stop", strings.Join(e.stops, ",")))
	}
	return attrs
}

// entryOf returns what the log tells of a request. Nobody reads that of a context that is no request's.
func entryOf(ctx context.Context) *logEntry {
	if e, ok := ctx.Value(logKey{}).(*logEntry); ok {
		return e
	}
	return &logEntry{}
}

// logged adds to what the log tells of a request, as slog's functions take it: names and counts, never what a request says.
func logged(ctx context.Context, args ...any) {
	var r slog.Record
	r.Add(args...)
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		e.attrs = append(e.attrs, a)
		return true
	})
}

// serving notes which model a request is about.
func serving(ctx context.Context, sv *served) {
	logged(ctx, "model", sv.Name)
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model = sv
}

// servedBy returns the model that a request is about; nil if that is not known.
func servedBy(ctx context.Context) *served {
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.model
}

// formatted notes which field of a request says what the answer must be like: errors of its grammar, which a model finds, are that field's.
func formatted(ctx context.Context, field string) {
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.field = field
}

// formattedBy returns the field that says what the answer must be like; empty if none does.
func formattedBy(ctx context.Context) string {
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.field
}

// loggedText adds a text that came to its end to the sums that the log tells of a request.
func loggedText(ctx context.Context, r *runtime.Result) {
	e := entryOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.texts++
	e.prompt, e.cached, e.tokens = e.prompt+r.PromptTokens+r.CachedTokens, e.cached+r.CachedTokens, e.tokens+len(r.Tokens)
	if stop := string(r.Stop); !slices.Contains(e.stops, stop) {
		e.stops = append(e.stops, stop)
	}
}
