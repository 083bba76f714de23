package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"st/runtime"
	"st/runtime/server/page"
)

// withMiddleware returns what every request goes through: the log, who may ask, and limits.
func (s *Server) withMiddleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := &logEntry{}
		r = r.WithContext(context.WithValue(r.Context(), logKey{}, entry))
		sw := &statusWriter{ResponseWriter: w}
		begin := time.Now()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // which the answer before it on the connection has left
		limitBody(w, r)
		defer s.hold(r)()
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("a handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if sw.status == 0 {
					writeError(sw, r, &Error{Status: http.StatusInternalServerError, Code: "internal_error", Message: "internal error"})
				}
			}
			s.meters.request(r.Pattern, sw.status)
			attrs := []slog.Attr{slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", sw.status),
				slog.Float64("seconds", time.Since(begin).Seconds())}
			s.log.LogAttrs(context.Background(), slog.LevelInfo, "request", append(attrs, entry.take()...)...)
		}()
		if err := s.admit(sw, r); err != nil {
			writeError(sw, r, err)
			return
		}
		if r.Method == http.MethodOptions {
			sw.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(sw, r)
	})
}

// admit returns an error if a request may not be answered, and sets the headers that let pages of allowed origins read the answer.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	if s.opts.APIKey == "" && !s.hostAllowed(r.Host) {
		return &Error{Status: http.StatusForbidden, Code: "host_not_allowed",
			Message: fmt.Sprintf("the server does not answer to the name %q: a page of another site may have led here; who runs it can add the name, or give it a key",
				hostOf(r.Host))}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if !s.originAllowed(origin, r.Host) {
			return &Error{Status: http.StatusForbidden, Code: "origin_not_allowed", Message: fmt.Sprintf("pages of %s may not use the server", origin)}
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			h.Set("Access-Control-Max-Age", "86400")
		}
	}
	if r.Method == http.MethodOptions || needsNoKey(r.URL.Path) {
		return nil
	}
	if !s.keyGiven(r.Header) {
		return &Error{Status: http.StatusUnauthorized, Code: "invalid_api_key", Message: "the API key is missing or wrong"}
	}
	return nil
}

// needsNoKey reports whether a path is open to all: the page asks for the key itself.
func needsNoKey(path string) bool {
	return path == "/health" || path == "/v1/health" || path == "/" || strings.HasPrefix(path, page.Path)
}

// keyGiven reports whether a request has the server's key. The time that it takes tells nothing of the key.
func (s *Server) keyGiven(h http.Header) bool {
	if s.opts.APIKey == "" {
		return true
	}
	given := h.Get("x-api-key")
	if scheme, token, ok := strings.Cut(h.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(token)
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.opts.APIKey))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// hostAllowed reports whether the server answers to a Host header. A page of another site whose name was made to lead to this machine (DNS
// rebinding) has that site's name there. Requests of HTTP/1.0 may have none, such as those with which HAProxy asks for a server's health; a browser's
// always have one.
func (s *Server) hostAllowed(hostPort string) bool {
	host := strings.ToLower(hostOf(hostPort))
	return host == "" || isLocalhost(host) || net.ParseIP(host) != nil || isInternal(host) ||
		slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// isInternal reports whether a name can be none of the Internet's: containers call the machine that they run on host.docker.internal, or
// host.containers.internal.
func isInternal(host string) bool {
	return strings.HasSuffix(strings.TrimSuffix(host, "."), ".internal")
}

// hostOf returns a host without its port and brackets.
func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// programSchemes are those of pages that are part of a desktop program, such as Obsidian's app://obsidian.md: no site can have them. They are Ollama's.
var programSchemes = []string{"app", "file", "tauri", "vscode-webview", "vscode-file"}

// originAllowed reports whether pages of an origin may use the server: those that it serves itself, those of this machine and its programs, and those
// that the options name.
func (s *Server) originAllowed(origin, host string) bool {
	for _, o := range s.opts.Origins {
		if o == "*" || strings.EqualFold(o, origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return slices.Contains(programSchemes, u.Scheme) || u.Host != "" && (u.Host == host || isLocalhost(u.Hostname()))
}

// maxBody bounds the body of a request: some hundred prompts as long as contexts are.
const maxBody = 32 << 20

// bodyTimeout is how long a client may take to send a body.
const bodyTimeout = 30 * time.Second

// limitBody bounds the time that a body may take, also one that no handler reads: net/http waits for the rest of it before it answers, or
// takes the next request of the connection.
func limitBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // a writer of a test has none
	}
}

// readBody reads the body of a request, unless its bytes or values are too many.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	var refused *Error // heldBody's
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge(fmt.Sprintf("more than %d bytes", maxBody))
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, &Error{Status: http.StatusBadRequest, Code: "incomplete_body", Message: "the body did not come in whole", cause: err}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // the server notices later if the client goes away
	if !utf8.Valid(data) {
		return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_json", Message: "the body is not JSON: it holds bytes that are not UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, which editors and Windows' shells write before text
	return data, checkValues(data)
}

// An answer that is no stream goes out in pieces of writePiece bytes, each of which a client must read within answerTimeout. Before the first one net/http
// may wait for the rest of a body that nobody reads.
const (
	writePiece    = 256 << 10
	answerTimeout = bodyTimeout + writeTimeout
)

// writeJSON answers with a value. A client that does not read it loses the connection, as that of a stream does.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var answer bytes.Buffer
	e := json.NewEncoder(&answer)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	for c := http.NewResponseController(w); err == nil && answer.Len() > 0; { // a client that went away is told nothing
		_ = c.SetWriteDeadline(time.Now().Add(answerTimeout)) // it holds for what net/http sends when the handler has returned, too
		_, err = w.Write(answer.Next(writePiece))
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what the writer can do.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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

// logged adds to what the log tells of a request, as slog's functions take it: names and counts, never what a request says.
func logged(ctx context.Context, args ...any) {
	e, ok := ctx.Value(logKey{}).(*logEntry)
	if !ok {
		return
	}
	var r slog.Record
	r.Add(args...)
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
	if e, ok := ctx.Value(logKey{}).(*logEntry); ok {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.model = sv
	}
}

// servedBy returns the model that a request is about; nil if that is not known.
func servedBy(ctx context.Context) *served {
	e, ok := ctx.Value(logKey{}).(*logEntry)
	if !ok {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.model
}

// formatted notes which field of a request says what the answer must be like: errors of its grammar, which a model finds, are that field's.
func formatted(ctx context.Context, field string) {
	if e, ok := ctx.Value(logKey{}).(*logEntry); ok {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.field = field
	}
}

// formattedBy returns the field that says what the answer must be like; empty if none does.
func formattedBy(ctx context.Context) string {
	e, ok := ctx.Value(logKey{}).(*logEntry)
	if !ok {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.field
}

// loggedText adds a text that came to its end to the sums that the log tells of a request.
func loggedText(ctx context.Context, r *runtime.Result) {
	e, ok := ctx.Value(logKey{}).(*logEntry)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.texts++
	e.prompt, e.cached, e.tokens = e.prompt+r.PromptTokens+r.CachedTokens, e.cached+r.CachedTokens, e.tokens+len(r.Tokens)
	if stop := string(r.Stop); !slices.Contains(e.stops, stop) {
		e.stops = append(e.stops, stop)
	}
}
