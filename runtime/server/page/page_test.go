package page

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, url string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHandler(t *testing.T) {
	for url, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/js/main.js": "text/javascript; charset=utf-8", "/page/css/base.css": "text/css; charset=utf-8",
		"/page/icon.svg": "image/svg+xml", "/page/vendor/marked.js": "text/javascript; charset=utf-8",
	} {
		r := get(t, url)
		plain := body(t, r.Body)
		if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != contentType || plain == "" {
			t.Errorf("%s: status %d, %s, %d bytes", url, r.StatusCode, got, len(plain))
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", url, r.Header)
		}
		// What a browser has is not sent again.
		if again := get(t, url, "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: status %d for its own tag", url, again.StatusCode)
		}
		small := get(t, url, "Accept-Encoding", "br, gzip;q=0.9")
		unpacked, err := gzip.NewReader(small.Body)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if got := body(t, unpacked); got != plain || small.Header.Get("Content-Encoding") != "gzip" || small.Header.Get("ETag") == r.Header.Get("ETag") {
			t.Errorf("%s: gzip has %d bytes of %d; headers %v", url, len(got), len(plain), small.Header)
		}
		if refused := get(t, url, "Accept-Encoding", "gzip;q=0"); refused.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: gzip for a browser that does not take it", url)
		}
	}
	for _, url := range []string{"/page/", "/page/nothing.js", "/page/../page.go", "/page/vendor/README.md", "/page/vendor/marked.LICENSE"} {
		if r := get(t, url); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", url, r.StatusCode)
		}
	}
}

// Everything that a file of the page names is there, and nothing is asked of other places.
func TestReferences(t *testing.T) {
	references := regexp.MustCompile(`(?:href|src)="(page/[^"#]+)|from "(\.[^"]+)"|/page/icons\.svg`)
	elsewhere := regexp.MustCompile(`(?:src|href)="https?:|url\(\s*["']?https?:|@import|fetch\("https?:`)
	icons := body(t, get(t, "/page/icons.svg").Body)
	named := regexp.MustCompile(`(?:icon|draw|item|iconButton|step)\("([a-z-]+)"(?:, "([a-z]+)")?`)
	err := fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || types[path.Ext(name)] == "" || strings.Contains(name, "/vendor/") {
			return err
		}
		data, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		if found := elsewhere.FindString(string(data)); found != "" {
			t.Errorf("%s asks for something elsewhere: %s", name, found)
		}
		for _, m := range references.FindAllStringSubmatch(string(data), -1) {
			url := "/" + m[1]
			if m[2] != "" {
				url = Path + path.Join(strings.TrimPrefix(path.Dir(name), "assets/"), m[2])
			}
			if url != "/" && get(t, url).StatusCode != http.StatusOK {
				t.Errorf("%s names %s, which is not there", name, url)
			}
		}
		for _, m := range named.FindAllStringSubmatch(string(data), -1) {
			picture := m[1]
			if strings.HasPrefix(m[0], "draw") {
				picture = m[2]
			}
			if picture != "" && !strings.Contains(icons, `id="`+picture+`"`) {
				t.Errorf("%s: there is no picture %q", name, picture)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
