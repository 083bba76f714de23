package server

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Limits of bodies. What is decoded of one takes some times its size, unless it is cut into very small values.
const (
	maxBody    = 32 << 20 // bytes of one: some hundred prompts as long as contexts are
	maxBodies  = 64 << 20 // bytes of all bodies that are read or answered at the same time
	smallBody  = 64 << 10 // bytes of each that do not count, so that short requests pass in any case
	maxValues  = 1 << 20  // values of one: more than any context has tokens
	maxObjects = 1 << 16  // of them, objects and arrays
)

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

// heldBody is a body that counts from when it comes until its request was answered.
type heldBody struct {
	io.ReadCloser
	all        *atomic.Int64 // bytes of all bodies
	read, held int64
}

// Read fails if the bodies that there are have no room for more beside them.
func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if more := b.read - smallBody - b.held; more > 0 {
		b.held += more
		if b.all.Add(more) > maxBodies {
			return 0, &Error{Status: http.StatusTooManyRequests, Code: "queue_full", Message: "too many long requests are waiting: try again later",
				RetryAfter: retryAfter}
		}
	}
	return n, err
}

func (b *heldBody) release() { b.all.Add(-b.held) }

// hold has the body of a request counted until release is called.
func (s *Server) hold(r *http.Request) (release func()) {
	if r.Body == nil || r.Body == http.NoBody {
		return func() {}
	}
	if coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding != "" && coding != "identity" {
		r.Body = &codedBody{ReadCloser: r.Body, coding: coding}
	}
	b := &heldBody{ReadCloser: r.Body, all: &s.bodies}
	r.Body = b
	return b.release
}

// codedBody is a body that was compressed. What it is read to counts, so that little cannot become much.
type codedBody struct {
	io.ReadCloser
	coding string
	plain  *gzip.Reader // nil: nothing was read yet
}

func (b *codedBody) Read(p []byte) (n int, err error) {
	switch {
	case b.coding != "gzip" && b.coding != "x-gzip":
		return 0, &Error{Status: http.StatusUnsupportedMediaType, Code: "request_body_encoding_unsupported",
			Message: fmt.Sprintf("the body has the Content-Encoding %q: send it as it is, or as gzip", b.coding)}
	case b.plain == nil:
		b.plain, err = gzip.NewReader(b.ReadCloser)
	}
	if err == nil {
		n, err = b.plain.Read(p)
	}
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		err = &Error{Status: http.StatusBadRequest, Code: "request_body_encoding_invalid",
			Message: "the body is not gzip, as its Content-Encoding says: " + err.Error(), cause: err}
	}
	return n, err
}

// checkValues returns an error for a body of so many values that it would take many times its size once it is decoded. It need not be JSON.
func checkValues(body []byte) error {
	values, objects := 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case ',':
			values++
		case '{', '[':
			objects++
		}
	}
	switch {
	case objects > maxObjects:
		return errTooLarge(fmt.Sprintf("more than %d objects and arrays", maxObjects))
	case values >= maxValues:
		return errTooLarge(fmt.Sprintf("more than %d values", maxValues))
	}
	return nil
}

func errTooLarge(what string) error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: "the body has " + what}
}
