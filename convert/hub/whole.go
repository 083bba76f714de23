package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// whole reads files of a server that sends no parts of files, or of a proxy before it that does not pass such requests on: one connection at a time,
// which brings a file from its beginning. What is before the bytes that are wanted comes again, and is skipped.
type whole struct {
	busy chan struct{} // has a value while somebody reads
	file *File
	body io.ReadCloser // nil: there is no connection
	at   int64         // of the file: what comes next

	mu      sync.Mutex
	answers int // one after the other that should have been parts
	on      bool
}

// maxWholeAnswers is how many answers in place of parts are taken for a fault that passes.
const maxWholeAnswers = 3

// saw takes in how a request for a part was answered, and reports whether it has just become clear that the server sends whole files only.
func (w *whole) saw(part bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if part {
		w.answers = 0
		return false
	}
	w.answers++
	began := !w.on && w.answers == maxWholeAnswers
	w.on = w.on || began
	return began
}

func (w *whole) isOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.on
}

// lock waits until nobody else reads.
func (w *whole) lock(ctx context.Context) error {
	select {
	case w.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *whole) unlock() { <-w.busy }

func (w *whole) close() {
	if w.body != nil {
		w.body.Close()
		w.body = nil
	}
}

// attemptWhole is attempt with a server that sends whole files.
func (r *Repository) attemptWhole(ctx context.Context, f *File, off int64, dst []byte, came func(n int)) (n int, err error) {
	w := &r.whole
	if err := w.lock(ctx); err != nil {
		return 0, err
	}
	defer w.unlock()
	if w.body == nil || w.file != f || w.at > off {
		if err := r.beginWhole(ctx, f); err != nil {
			return 0, err
		}
	}
	skipped := make([]byte, min(64<<10, off-w.at))
	for n < len(dst) {
		to := dst[n:]
		if before := off - w.at; before > 0 {
			to = skipped[:min(before, int64(len(skipped)))]
		}
		k, err := w.body.Read(to)
		if w.at >= off {
			n += k
		}
		w.at += int64(k)
		came(k)
		if err != nil && n < len(dst) {
			w.close()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, &againError{err: err}
		}
	}
	if w.at == f.Size {
		w.close()
	}
	return n, nil
}

// beginWhole asks for a file from its beginning.
func (r *Repository) beginWhole(ctx context.Context, f *File) error {
	r.whole.close()
	at, err := r.place(ctx, f)
	if err != nil {
		return err
	}
	resp, err := r.client.send(ctx, request{service: r.Ref.Service, method: http.MethodGet, url: at.url})
	if err != nil {
		return err
	}
	if err := r.checkPart(resp, f, 0); err != nil {
		return err
	}
	r.whole.file, r.whole.body, r.whole.at = f, resp.Body, 0
	return nil
}

// sawPart tells [whole] of an answer to a request for a part. One that named an ETag may be whole because the file has another one.
func (r *Repository) sawPart(f *File, resp *http.Response, err error) {
	part := err == nil && resp.StatusCode == http.StatusPartialContent
	if !part && (!errors.Is(err, ErrNoRange) || resp.Request.Header.Get("If-Range") != "") {
		return
	}
	if r.whole.saw(part) && r.client.config.Note != nil {
		r.client.config.Note(fmt.Sprintf("%s: %v: files come whole, in one connection, and what is there of them comes again", r.Name(f), ErrNoRange))
	}
}
