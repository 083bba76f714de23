package server

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

// events writes server-sent events. Headers go out with the first one, so that an error before it can have its own status.
type events struct {
	w http.ResponseWriter

	mu      sync.Mutex // of what follows: pings come from goroutines of their own
	buf     bytes.Buffer
	begun   bool
	ended   bool        // there are no more pings
	err     error       // the client went away
	silence *time.Timer // until the next ping; nil: there are none
	after   time.Duration
}

// Content types of streams.
const (
	typeEvents = "text/event-stream"
	typeLines  = "application/x-ndjson"
)

// writeTimeout is how long a client may take to read one event.
const writeTimeout = 30 * time.Second

// send writes a value as an event; name may be empty. It reports whether the client is still there.
func (e *events) send(name string, v any) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buf.Reset()
	if name != "" {
		e.buf.WriteString("event: " + name + "\n")
	}
	e.buf.WriteString("data: ")
	if e.err == nil {
		e.err = encodeJSON(&e.buf, v) // with a line end
	}
	e.buf.WriteByte('\n')
	return e.write(typeEvents, e.buf.Bytes())
}

// text writes what is no event with a value. It reports whether the client is still there.
func (e *events) text(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.write(typeEvents, []byte(text))
}

// done writes the event with which OpenAI's streams end.
func (e *events) done() { e.text("data: [DONE]\n\n") }

// pingAfter is how long a stream says nothing while its request waits for a place or a model, or runs its prompt. Programs, and proxies before the server,
// wait in silence for some minutes at most: fetch of Node.js waits five for the headers, and a prompt of 30,000 tokens may take longer.
const pingAfter = 15 * time.Second

// whileSilent has a stream say a ping whenever it has said nothing for that time, until it ends.
func (e *events) whileSilent(after time.Duration, contentType string, ping func() []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = after
	e.silence = time.AfterFunc(after, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.ended {
			e.write(contentType, ping())
		}
	})
}

// pingComment is a ping that clients skip.
func pingComment() []byte { return []byte(": ping\n\n") }

// keepAwake has a stream of server-sent events tell from time to time that the server lives.
func (s *Server) keepAwake(e *events) { e.whileSilent(s.pingAfter, typeEvents, pingComment) }

// end ends pings, if there are any. It reports whether the stream has begun.
func (e *events) end() (begun bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	if e.silence != nil {
		e.silence.Stop()
	}
	return e.begun
}

// gone reports whether the client went away.
func (e *events) gone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err != nil
}

// write sends a part of the stream, and its headers before the first one. The caller holds e.mu.
func (e *events) write(contentType string, data []byte) bool {
	if e.err != nil {
		return false
	}
	if !e.begun {
		e.begun = true
		h := e.w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // of nginx, which would hold events back
		e.w.WriteHeader(http.StatusOK)
	}
	e.err = flushTo(e.w, data)
	if e.silence != nil && !e.ended {
		e.silence.Reset(e.after)
	}
	return e.err == nil
}

// flushTo writes a part of a stream, and sends it at once.
func flushTo(w http.ResponseWriter, data []byte) error {
	c := http.NewResponseController(w)
	if c.SetWriteDeadline(time.Now().Add(writeTimeout)) == nil {
		defer c.SetWriteDeadline(time.Time{})
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return c.Flush()
}
