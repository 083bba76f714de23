package hub_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"st/convert/hub"
)

// mirror stands between the client and the Hub.
type mirror struct {
	request func(*http.Request)
	answer  func(*http.Response)
}

func (m mirror) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	m.request(r)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		m.answer(resp)
	}
	return resp, err
}

// TestMirrors: what mirrors and proxies change on the way is understood, as huggingface_hub does.
func TestMirrors(t *testing.T) {
	h := start(t)
	h.PageSize = 2
	h.Add("Tiiny/Test").Commit(model())
	none := func(*http.Request) {}
	for name, m := range map[string]mirror{
		"weak etags": {none, func(resp *http.Response) {
			if etag := resp.Header.Get("X-Linked-Etag"); etag != "" {
				resp.Header.Set("X-Linked-Etag", "W/"+etag)
			}
		}},
		"pages by https": {func(r *http.Request) { r.URL.Scheme = "http" }, func(resp *http.Response) {
			if link := resp.Header.Get("Link"); link != "" {
				resp.Header.Set("Link", strings.Replace(link, "<http:", "<https:", 1))
			}
		}},
		"gzip": {func(r *http.Request) {
			if strings.HasPrefix(h.URL, "http://"+r.URL.Host) { // the storage sends parts
				r.Header.Del("Range")
			}
		}, func(resp *http.Response) {
			if !strings.HasPrefix(h.URL, "http://"+resp.Request.URL.Host) || resp.StatusCode != http.StatusOK || resp.Request.Method != http.MethodGet {
				return
			}
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := io.Copy(z, resp.Body); err != nil {
				t.Error(err)
			}
			z.Close()
			resp.Body, resp.ContentLength = io.NopCloser(&b), int64(b.Len())
			resp.Header.Set("Content-Encoding", "gzip")
		}},
	} {
		c := quick(h)
		c.Transport = m
		r := open(t, hub.New(c), "Tiiny/Test")
		for path, content := range model() {
			if got, err := r.ReadFile(t.Context(), path, content.Size()); err != nil || int64(len(got)) != content.Size() {
				t.Errorf("%s: %s has %d bytes, %v", name, path, len(got), err)
			}
		}
	}
}

// secured are servers by the hosts that they stand for. They are asked by https: a request by http is redirected.
type secured map[string]string

func (s secured) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		to := *r.URL
		to.Scheme, to.Host = "https", strings.Replace(to.Host, ":80", ":443", 1)
		return &http.Response{StatusCode: http.StatusPermanentRedirect, Header: http.Header{"Location": {to.String()}}, Body: http.NoBody, Request: r}, nil
	}
	asked := r
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(s[r.URL.Hostname()], "http://")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		resp.Request = asked
	}
	return resp, err
}

// TestSecured: an address with http:// that leads to the same one with https:// is that of the service, which gets the token there, whether or not
// the addresses have the ports that they have anyway.
func TestSecured(t *testing.T) {
	for _, endpoint := range []string{"http://hub.example.org", "http://hub.example.org:80"} {
		h := start(t)
		repo := h.Add("Tiiny/Test")
		repo.Commit(model())
		repo.Private("secret")
		c := quick(h)
		c.HuggingFace, c.HuggingFaceToken = endpoint, "secret"
		c.Transport = secured{"hub.example.org": h.URL, "storage.example.org": h.Storage}
		h.Storage = "https://storage.example.org"
		r := open(t, hub.New(c), "Tiiny/Test")
		for path, content := range model() {
			if got, err := r.ReadFile(t.Context(), path, content.Size()); err != nil || int64(len(got)) != content.Size() {
				t.Errorf("%s: %s has %d bytes, %v", endpoint, path, len(got), err)
			}
		}
		if h.Leaks() > 0 {
			t.Errorf("%s: the storage has seen %d tokens", endpoint, h.Leaks())
		}
	}
}
