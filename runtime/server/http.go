package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
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

// An answer that is no stream goes out in pieces of writePiece bytes, each of which a client must read within answerTimeout. Before the first one net/http
// may wait for the rest of a body that nobody reads.
const (
	writePiece    = 256 << 10
	answerTimeout = bodyTimeout + writeTimeout
)

// encodeJSON writes a value as JSON and a line break. Characters that mean something in HTML stay as they are.
func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeJSON answers with a value. A client that does not read it loses the connection, as that of a stream does.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var answer bytes.Buffer
	err := encodeJSON(&answer, v)
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
