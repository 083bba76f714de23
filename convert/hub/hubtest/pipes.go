package hubtest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
)

// NewPiped starts a Hub whose connections are pipes, and returns it with what sends requests to it. In virtual time, that of testing/synctest, a client finds
// that a request has stalled when nothing else can happen any more, and not when an answer waits for a processor.
func NewPiped() (*Hub, http.RoundTripper) {
	h := NewHandler()
	listeners := map[string]pipes{}
	for host, handler := range map[string]http.Handler{"hub.test:80": h, "storage.test:80": http.HandlerFunc(h.ServeStorage)} {
		l := pipes{host, make(chan net.Conn), h.stop}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
		s.Start()
		listeners[host] = l
		h.servers = append(h.servers, s)
	}
	h.URL, h.Storage = "http://hub.test:80", "http://storage.test:80"
	return h, &http.Transport{
		MaxIdleConnsPerHost: 16, DisableCompression: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			l, ok := listeners[address]
			if !ok {
				return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
			}
			client, server := net.Pipe()
			select {
			case l.conns <- server:
				return client, nil
			case <-h.stop:
				return nil, net.ErrClosed
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
}

// pipes is a listener whose connections are pipes. It is its own address.
type pipes struct {
	host   string
	conns  chan net.Conn
	closed <-chan struct{} // with the Hub
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error    { return nil }
func (p pipes) Addr() net.Addr  { return p }
func (p pipes) Network() string { return "pipe" }
func (p pipes) String() string  { return p.host }
