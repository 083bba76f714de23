package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// events writes server-sent events. Headers go out with the first one, so that an error before it can have its own status.
type events struct {
	w     http.ResponseWriter
	begun bool
	err   error // the client went away
	buf   bytes.Buffer
}

// writeTimeout is how long a client may take to read one event.
const writeTimeout = 30 * time.Second

// send writes a value as an event; name may be empty. It reports whether the client is still there.
func (e *events) send(name string, v any) bool {
	e.buf.Reset()
	if name != "" {
		e.buf.WriteString("event: " + name + "\n")
	}
	e.buf.WriteString("data: ")
	enc := json.NewEncoder(&e.buf)
	enc.SetEscapeHTML(false)
	if e.err == nil {
		e.err = enc.Encode(v) // with a line end
	}
	e.buf.WriteByte('\n')
	return e.flush()
}

// pingAfter is how long a stream says nothing while its prompt is run. Programs, and proxies before the server, wait in silence for some minutes at most:
// fetch of Node.js waits five for the headers, and a prompt of 30,000 tokens may take longer.
const pingAfter = 15 * time.Second

// whileSilent returns what is told of a prompt's progress: it calls ping from time to time.
func (s *Server) whileSilent(ping func()) func(done, total int) {
	last := time.Now()
	return func(done, total int) {
		if done < total && time.Since(last) >= s.pingAfter {
			last = time.Now()
			ping()
		}
	}
}

// ping writes a comment, which clients skip.
func (e *events) ping() {
	e.buf.Reset()
	e.buf.WriteString(": ping\n\n")
	e.flush()
}

// done writes the event with which OpenAI's streams end.
func (e *events) done() {
	e.buf.Reset()
	e.buf.WriteString("data: [DONE]\n\n")
	e.flush()
}

func (e *events) flush() bool {
	if e.err != nil {
		return false
	}
	e.begin("text/event-stream")
	e.err = flushTo(e.w, e.buf.Bytes())
	return e.err == nil
}

// begin sends the headers of a stream.
func (e *events) begin(contentType string) {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // of nginx, which would hold events back
	e.w.WriteHeader(http.StatusOK)
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
