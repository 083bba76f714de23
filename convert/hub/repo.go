package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// File is a file of a repository.
type File struct {
	Path string `json:"path"` // with slashes
	Size int64  `json:"size"`
	// SHA256 is the hash of the file's bytes, in hexadecimal. The Hub has it of large files only; "": unknown.
	SHA256 string `json:"sha256,omitempty"`
	// Blob is the name that Git gives to the file's bytes, SHA-1 of a header and the bytes; "": unknown, or that of a pointer to the file.
	Blob string `json:"blob,omitempty"`
	// Revision is the commit of this file, where the service has no commits of a whole repository; "": Repository.Commit.
	Revision string `json:"revision,omitempty"`
}

// ETag returns the name that the Hub's cache gives to the file; "": no hash of it is known.
func (f *File) ETag() string {
	if f.SHA256 != "" {
		return f.SHA256
	}
	return f.Blob
}

// Repository is one that is open, at one commit. It may be used by several goroutines at once.
type Repository struct {
	Ref    Ref
	ID     string // ORG/NAME as it is called now: it may have been renamed
	Commit string
	Files  []File

	client   *Client
	protocol protocol
	mu       sync.Mutex
	places   map[string]*place // where files are, by path
	whole    whole
}

// protocol is what a service speaks.
type protocol interface {
	// open finds out the commit and the files.
	open(ctx context.Context, c *Client, ref Ref) (*Repository, error)
	// locate finds out where a file's bytes are.
	locate(ctx context.Context, r *Repository, f *File) (place, error)
}

func protocolOf(s Service) protocol {
	if s == ModelScope {
		return modelScope{}
	}
	return huggingFace{}
}

// place is where a file's bytes are.
type place struct {
	url  string
	etag string // of what is at url, if it is known and a strong one
	odd  int    // answers that did not fit the file
}

// Open resolves a reference: its revision to a commit, and that to files.
func (c *Client) Open(ctx context.Context, ref Ref) (*Repository, error) {
	p := protocolOf(ref.Service)
	r, err := p.open(ctx, c, ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return r, r.attach(ref, c, p)
}

// Restore returns a repository that was open before, from what was kept of it. It makes no request.
func (c *Client) Restore(ref Ref, id, commit string, files []File) (*Repository, error) {
	r := &Repository{ID: id, Commit: commit, Files: files}
	return r, r.attach(ref, c, protocolOf(ref.Service))
}

// What a service may name a file by: SHA-256, and Git's SHA-1 or SHA-256. The cache makes file names of them.
var (
	sha256Hash = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	gitHash    = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
)

// attach completes a repository that was opened. Names that could lead out of the cache's folder are an error.
func (r *Repository) attach(ref Ref, c *Client, p protocol) error {
	r.Ref, r.client, r.protocol, r.places = ref, c, p, map[string]*place{}
	r.whole.busy = make(chan struct{}, 1)
	if !isID(r.ID) {
		return fmt.Errorf("%s: %w: it calls the repository %q", ref, ErrProtocol, r.ID)
	}
	// What some system takes for a separator, or a terminal for a command, is in no name that a model's files have.
	r.Files = slices.DeleteFunc(r.Files, func(f File) bool {
		return strings.ContainsFunc(f.Path, func(c rune) bool { return c == '\\' || unicode.IsControl(c) })
	})
	for _, f := range r.Files {
		if f.SHA256 != "" && !sha256Hash.MatchString(f.SHA256) || f.Blob != "" && !gitHash.MatchString(f.Blob) {
			return fmt.Errorf("%s: %w: it lists the file %q with the hash %.80q", ref, ErrProtocol, f.Path, f.ETag())
		}
		if !fs.ValidPath(f.Path) || f.Size < 0 {
			return fmt.Errorf("%s: %w: it lists a file %q of %d bytes", ref, ErrProtocol, f.Path, f.Size)
		}
	}
	return nil
}

// Client returns the client that has opened it.
func (r *Repository) Client() *Client { return r.client }

// Lookup returns the file at a path.
func (r *Repository) Lookup(path string) (*File, bool) {
	for i := range r.Files {
		if r.Files[i].Path == path {
			return &r.Files[i], true
		}
	}
	return nil, false
}

// Name is how a file is called in messages.
func (r *Repository) Name(f *File) string { return r.ID + "/" + f.Path }

// ReadFile returns a whole file of at most limit bytes, checked against its hash.
func (r *Repository) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, ok := r.Lookup(path)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s/%s: %w", r.ID, path, ErrNoFile)
	case f.Size > limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that such a file may have", r.Name(f), f.Size, limit)
	}
	for last := false; ; last = true {
		data := make([]byte, f.Size)
		if err := r.Fetch(ctx, f, 0, data); err != nil {
			return nil, err
		}
		h := NewHasher(f)
		h.Write(data)
		err := h.Check(r.Name(f))
		if err == nil || last {
			return data, err
		}
		r.forget(f) // a proxy may have damaged it
	}
}

// Fetch fills dst with the file's bytes from off on. When a request breaks, the bytes that came are kept and the rest is asked for again. The bytes
// are not checked against the file's hash.
func (r *Repository) Fetch(ctx context.Context, f *File, off int64, dst []byte) error {
	return r.fetch(ctx, f, off, dst, func(int) {}, func() {}, func() {})
}

// fetch tells what came, and of requests that the server wants fewer of. turn waits until what is before these bytes has come: a server that sends
// whole files sends it first.
func (r *Repository) fetch(ctx context.Context, f *File, off int64, dst []byte, came func(n int), slow, turn func()) error {
	if len(dst) == 0 {
		return nil
	}
	return r.client.try(ctx, r.Name(f), func() (bool, error) {
		attempt := r.attempt
		if r.whole.isOn() {
			turn()
			attempt = r.attemptWhole
		}
		n, err := attempt(ctx, f, off, dst, came)
		off, dst = off+int64(n), dst[n:]
		if again, ok := errors.AsType[*againError](err); ok && again.wait > 0 {
			slow()
		}
		return n > 0, err
	})
}

// attempt makes one request.
func (r *Repository) attempt(ctx context.Context, f *File, off int64, dst []byte, came func(n int)) (int, error) {
	at, err := r.place(ctx, f)
	if err != nil {
		return 0, err
	}
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, off+int64(len(dst))-1)}}
	if at.etag != "" {
		header.Set("If-Range", at.etag)
	}
	resp, err := r.client.send(ctx, request{service: r.Ref.Service, method: http.MethodGet, url: at.url, header: header})
	if err != nil {
		return 0, err
	}
	err = r.checkPart(resp, f, off)
	r.sawPart(f, resp, err)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if etag := resp.Header.Get("ETag"); etag != "" && !strings.HasPrefix(etag, "W/") && resp.Request.URL.String() == at.url {
		r.mu.Lock()
		if p := r.places[f.Path]; p != nil && p.url == at.url {
			p.etag = etag
		}
		r.mu.Unlock()
	}
	n := 0
	for n < len(dst) {
		k, err := resp.Body.Read(dst[n:])
		n += k
		came(k)
		if n == len(dst) {
			break
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, &againError{err: err}
		}
	}
	return n, nil
}

// checkPart returns an error, and closes the body, if an answer is not the part of the file from off on.
func (r *Repository) checkPart(resp *http.Response, f *File, off int64) error {
	endpoint, err := r.client.config.endpoint(r.Ref.Service)
	if err != nil {
		return err
	}
	home, _ := url.Parse(endpoint)
	storage := !isHome(resp.Request.URL, home)
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		resp.Body.Close()
		return r.odd(f, fmt.Errorf("%s %w: it ends before byte %d of %d", r.Name(f), ErrChanged, off, f.Size))
	}
	if err := r.client.checkStatus(resp, r.Ref.Service, storage); err != nil {
		if storage { // the address was signed for some time only
			r.forget(f)
			if _, ok := errors.AsType[*againError](err); !ok {
				err = &againError{err: err}
			}
		}
		return err
	}
	if resp.StatusCode == http.StatusOK && resp.ContentLength >= 0 && resp.ContentLength != f.Size {
		resp.Body.Close()
		return r.odd(f, fmt.Errorf("%s %w: %d bytes come in place of its %d", r.Name(f), ErrChanged, resp.ContentLength, f.Size))
	}
	if resp.StatusCode == http.StatusOK && off == 0 {
		return nil // all of it, of which the beginning is read
	}
	if resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		r.forget(f)
		return &againError{err: fmt.Errorf("%w: the answer to a request for a part is %d %s", ErrNoRange, resp.StatusCode, http.StatusText(resp.StatusCode))}
	}
	from, size, ok := contentRange(resp.Header.Get("Content-Range"))
	if !ok || from != off {
		resp.Body.Close()
		r.forget(f)
		return &againError{err: fmt.Errorf("%w: Content-Range is %q", ErrNoRange, resp.Header.Get("Content-Range"))}
	}
	if size != f.Size && size >= 0 {
		resp.Body.Close()
		return r.odd(f, fmt.Errorf("%s %w: it has %d bytes, not %d", r.Name(f), ErrChanged, size, f.Size))
	}
	return nil
}

// contentRange reads where a part begins, and how large all of it is; -1: the server does not know (RFC 9110, section 14.4).
func contentRange(text string) (from, size int64, ok bool) {
	var to int64
	part, all, _ := strings.Cut(text, "/")
	n, err := fmt.Sscanf(part, "bytes %d-%d", &from, &to)
	if n != 2 || err != nil {
		return 0, 0, false
	}
	if all == "*" {
		return from, -1, true
	}
	size, err = strconv.ParseInt(all, 10, 64)
	return from, size, err == nil && size >= 0
}

// odd is about an answer that does not fit the file. It may be a fault of the storage, so the file is located once more before it is believed.
func (r *Repository) odd(f *File, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[f.Path]
	if p == nil {
		p = &place{}
		r.places[f.Path] = p
	}
	p.url = ""
	if p.odd++; p.odd < 3 {
		return &againError{err: err}
	}
	return err
}

// place returns where a file is.
func (r *Repository) place(ctx context.Context, f *File) (place, error) {
	r.mu.Lock()
	p := r.places[f.Path]
	if p != nil && p.url != "" {
		defer r.mu.Unlock()
		return *p, nil
	}
	r.mu.Unlock()
	found, err := r.protocol.locate(ctx, r, f)
	if err != nil {
		return place{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.places[f.Path]; p != nil {
		found.odd = p.odd
	}
	r.places[f.Path] = &found
	return found, nil
}

// forget has a file located once more.
func (r *Repository) forget(f *File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.places[f.Path]; p != nil {
		p.url = ""
	}
}
