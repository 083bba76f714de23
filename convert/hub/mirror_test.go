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
