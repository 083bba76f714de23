package server

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// null is a field in which there is never anything to say. The types of clients have it.
type null *struct{}

// handler reads the body for a handler, and writes its error in the form of the protocol that the path belongs to. A handler returns only errors
// that come before its answer has begun.
func handler(h func(w http.ResponseWriter, r *http.Request, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r)
		if err == nil {
			err = h(w, r, body)
		}
		if err != nil {
			writeError(w, r, err)
		}
	}
}

// queued is handler for requests that generate text. They enter the queue before their fields are read, for to read a schema takes time and memory.
func (s *Server) queued(h func(w http.ResponseWriter, r *http.Request, body []byte) error) http.HandlerFunc {
	return handler(func(w http.ResponseWriter, r *http.Request, body []byte) error {
		if err := s.queue.enter(); err != nil {
			return err
		}
		defer s.queue.leave()
		return h(w, r, body)
	})
}

// writeError answers with an error in the form of the protocol that the path belongs to.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := failed(r, err)
	writeRetryAfter(w, e)
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/"):
		writeJSON(w, e.Status, ollamaError{e.Message})
	case isAnthropic(r):
		writeAnthropicError(w, e)
	default:
		writeOpenAIError(w, e)
	}
}

// writeRetryAfter tells a client when to try again, in whole seconds.
func writeRetryAfter(w http.ResponseWriter, e *Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

// unknown answers requests for what there is not: a path, or a method of one of those that mux has.
func (s *Server) unknown(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var methods []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				methods = append(methods, method)
			}
		}
		if len(methods) == 0 {
			writeError(w, r, &Error{Status: http.StatusNotFound, Code: "unknown_url", Message: "there is nothing at " + r.Method + " " + r.URL.Path})
			return
		}
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		writeError(w, r, &Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Message: "there is no " + r.Method + " " + r.URL.Path + ": the method must be " + allowed})
	}
}

// withField returns a sampling option's error with the name that the field has in a protocol.
func withField(err error, name func(param string) string) error {
	e := asError(err)
	if rest, ok := strings.CutPrefix(e.Message, e.Param+": "); ok && e.Param != "" {
		return badField(name(e.Param), rest)
	}
	return err
}
