package hub

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// Client asks the services. It may be used by several goroutines at once.
type Client struct {
	config  Config
	http    *http.Client
	reached atomic.Bool // some service has answered once
}

// New returns a client.
func New(c Config) *Client {
	c.Stall = cmp.Or(c.Stall, 30*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 12)
	c.FirstWait = cmp.Or(c.FirstWait, 500*time.Millisecond)
	c.LongestWait = cmp.Or(c.LongestWait, 5*time.Minute)
	c.Piece = cmp.Or(c.Piece, 2<<20)
	c.UserAgent = cmp.Or(c.UserAgent, "st")
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	return &Client{config: c, http: &http.Client{
		Transport: c.Transport,
		// Redirects are followed here: which headers go along, and where it stops, is ours to say.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// newTransport makes a connection for every request that is under way. HTTP/2 would send them all over one, so that they share its rate.
func newTransport() http.RoundTripper {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		Protocols:             protocols,
		TLSHandshakeTimeout:   15 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   MaxConnections,
		DisableCompression:    true, // sizes and ranges are those of the files
		ReadBufferSize:        64 << 10,
		ExpectContinueTimeout: time.Second,
	}
}

// maxRedirects is how many are followed one after the other.
const maxRedirects = 10

// request is one to a service.
type request struct {
	service Service
	method  string
	url     string
	header  http.Header
	// metadata ends the redirects at the answer that tells of the file: see [huggingFace.locate].
	metadata bool
}

// send makes a request once, and follows redirects. The body is to be closed; reading it fails when no byte comes for a while.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	if c.config.Offline {
		return nil, ErrOffline
	}
	endpoint, err := c.config.endpoint(r.service)
	if err != nil {
		return nil, err
	}
	home, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(r.url)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := newWatchdog(c.config.Stall, func() { cancel(errStalled) })
	stop := func() { watch.stop(); cancel(nil) }
	for n := 0; ; n++ {
		req, err := c.newRequest(ctx, r, at, home)
		if err != nil {
			stop()
			return nil, err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			err = stalledOr(ctx, withoutSecrets(err, r.url))
			stop()
			return nil, err
		}
		watch.kick()
		c.reached.Store(true)
		gunzip(resp)
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" {
			resp.Body = &watchedBody{resp.Body, ctx, watch, stop}
			return resp, nil
		}
		next, err := redirected(at, location)
		if err == nil && n == maxRedirects {
			err = fmt.Errorf("%w: %s leads to more than %d redirects", ErrProtocol, withoutQuery(r.url), maxRedirects)
		}
		if err == nil && r.metadata && (resp.Header.Get("X-Linked-Etag") != "" || !isHome(next, home)) {
			resp.Header.Set("Location", next.String())
			resp.Body = &watchedBody{resp.Body, ctx, watch, stop}
			return resp, nil
		}
		io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		resp.Body.Close()
		if err != nil {
			stop()
			return nil, err
		}
		at = next
	}
}

// newRequest returns a request to the address that it has led to. The token goes to the service's own address only, home: a storage has addresses that
// are signed.
func (c *Client) newRequest(ctx context.Context, r request, at, home *url.URL) (*http.Request, error) {
	token := c.config.token(r.service)
	if strings.ContainsFunc(token, unicode.IsControl) {
		return nil, fmt.Errorf("%w: the one that is set has a line break in it, or another control character", ErrToken)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", c.config.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if token != "" && isHome(at, home) {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// withoutSecrets leaves the query, which may be a signature, out of the address in an error of a request, and the address itself if it is the one that
// was asked for: whoever asked names it.
func withoutSecrets(err error, asked string) error {
	e, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	e.URL = withoutQuery(e.URL)
	switch {
	case strings.Contains(e.Err.Error(), "Location header"): // which makes no sense, and is in the error
		return fmt.Errorf("%w: %s redirects to what is no address", ErrProtocol, e.URL)
	case e.URL == withoutQuery(asked):
		return e.Err
	}
	return err
}

// redirected returns where an answer of an address leads to.
func redirected(at *url.URL, location string) (*url.URL, error) {
	next, err := at.Parse(location)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s redirects to %q", ErrProtocol, withoutQuery(at.String()), withoutQuery(location))
	case next.Scheme != "http" && next.Scheme != "https" || at.Scheme == "https" && next.Scheme == "http":
		return nil, fmt.Errorf("%w: %s redirects to %s, which is not secure", ErrProtocol, withoutQuery(at.String()), withoutQuery(location))
	}
	return next, nil
}

// gunzip makes an answer what it was before a proxy compressed it, although it was asked not to.
func gunzip(resp *http.Response) {
	if resp.StatusCode == http.StatusOK && strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		resp.Body, resp.ContentLength = &gzipBody{ReadCloser: resp.Body}, -1
	}
}

// gzipBody is a body that is decompressed.
type gzipBody struct {
	io.ReadCloser
	text *gzip.Reader // nil: nothing was read yet
}

func (b *gzipBody) Read(p []byte) (n int, err error) {
	if b.text == nil {
		if b.text, err = gzip.NewReader(b.ReadCloser); err != nil {
			return 0, err
		}
	}
	return b.text.Read(p)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// isHome reports whether an address is of the service itself, home: of the same origin, or of the secure one of the same host, to which a service
// that is asked by http may redirect.
func isHome(at, home *url.URL) bool {
	secured := home.Scheme == "http" && port(home) == "80" && at.Scheme == "https" && port(at) == "443"
	return secured && strings.EqualFold(at.Hostname(), home.Hostname()) || sameOrigin(at, home)
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// errStalled is about a server that sends nothing although it should.
var errStalled = errors.New("nothing came for too long")

func stalledOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return errStalled
	}
	return err
}

// watchdog calls a function unless it is kicked again and again.
type watchdog struct {
	timer *time.Timer
	after time.Duration
}

func newWatchdog(after time.Duration, bark func()) *watchdog {
	return &watchdog{time.AfterFunc(after, bark), after}
}

func (w *watchdog) kick() { w.timer.Reset(w.after) }
func (w *watchdog) stop() { w.timer.Stop() }

// watchedBody is a body that is given up when nothing comes while somebody reads.
type watchedBody struct {
	io.ReadCloser
	ctx   context.Context
	watch *watchdog
	stop  func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.kick()
	n, err := b.ReadCloser.Read(p)
	b.watch.stop()
	if err != nil && err != io.EOF {
		err = stalledOr(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.stop()
	return err
}

// Offline reports whether requests are forbidden.
func (c *Client) Offline() bool { return c.config.Offline }

// CacheDir returns the folder in which downloads are kept; "": there is none.
func (c *Client) CacheDir() string { return c.config.Cache }

// PieceBytes returns the size of the pieces of a [Stream].
func (c *Client) PieceBytes() int64 { return c.config.Piece }
