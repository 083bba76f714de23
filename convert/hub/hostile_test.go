package hub_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/hub"
)

const someHash = "0123456789abcdef0123456789abcdef01234567"

// serve starts a server of one repository, o/m, whose listing and file "f" are whatever a test wants.
func serve(t *testing.T, listing string, file http.HandlerFunc) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Repo-Commit", someHash)
		if strings.HasPrefix(r.URL.Path, "/api/") {
			fmt.Fprint(w, listing)
			return
		}
		file(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func nothing(http.ResponseWriter, *http.Request) {}

// TestOddNames: files whose names some system takes for a path, or a terminal for a command, are left out.
func TestOddNames(t *testing.T) {
	entry := func(path string) string {
		return fmt.Sprintf(`{"type":"file","path":%q,"oid":%q,"size":1}`, path, someHash)
	}
	c := hub.New(hub.Config{HuggingFace: serve(t, "["+entry(`..\f`)+","+strings.Replace(entry("ESC[2Jf"), "ESC", `\u001b`, 1)+","+entry("g")+"]", nothing)})
	r, err := c.Open(t.Context(), hub.Ref{Org: "o", Name: "m"})
	if err != nil || len(r.Files) != 1 || r.Files[0].Path != "g" {
		t.Errorf("the files are %+v, %v", r.Files, err)
	}
}

// TestSecretsInErrors: neither the signature of an address nor a password of the endpoint is in a message.
func TestSecretsInErrors(t *testing.T) {
	listing := `[{"type":"file","path":"f","oid":"","size":9,"lfs":{"oid":"` + strings.Repeat("a", 64) + `","size":9}}]`
	for _, location := range []string{"http://127.0.0.1:0/f?sig=SECRET", "http://u:SECRET@127.0.0.1:0/f", "ftp://h/f?sig=SECRET", ":?SECRET"} {
		address := serve(t, listing, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		c := hub.Config{HuggingFace: address, Attempts: 2, FirstWait: 1}
		var notes []string
		c.Note = func(text string) { notes = append(notes, text) }
		ref := hub.Ref{Org: "o", Name: "m", Revision: someHash}
		r, err := hub.New(c).Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.ReadFile(t.Context(), "f", 100)
		if text := fmt.Sprint(err, notes); err == nil || strings.Contains(text, "SECRET") {
			t.Errorf("%s: %s", location, text)
		}
	}
	c := hub.Config{HuggingFace: "http://user:SECRET@127.0.0.1:0", Attempts: 1}
	if _, err := hub.New(c).Open(t.Context(), hub.Ref{Org: "o", Name: "m"}); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("an endpoint with a password: %v", err)
	}
}

// TestBrokenToken: a token that no header can carry is what the error is about, not the network.
func TestBrokenToken(t *testing.T) {
	c := hub.Config{HuggingFace: "http://127.0.0.1:0", HuggingFaceToken: "first\nsecond"}
	_, err := hub.New(c).Open(t.Context(), hub.Ref{Org: "o", Name: "m"})
	if !errors.Is(err, hub.ErrToken) || errors.Is(err, hub.ErrUnreachable) || strings.Contains(err.Error(), "second") {
		t.Errorf("error is %v", err)
	}
}

// TestContentRange: a server need not know how large all of a file is.
func TestContentRange(t *testing.T) {
	listing := `[{"type":"file","path":"f","oid":"` + someHash + `","size":4}]`
	for text, ok := range map[string]bool{"bytes 1-2/4": true, "bytes 1-2/*": true, "bytes 1-2": false, "bytes 0-2/4": false, "bytes 1-2/x": false, "": false, "bytes */4": false} {
		address := serve(t, listing, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", text)
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, "bc")
		})
		r, err := hub.New(hub.Config{HuggingFace: address, Attempts: 2, FirstWait: 1}).Open(t.Context(), hub.Ref{Org: "o", Name: "m", Revision: someHash})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2)
		err = r.Fetch(t.Context(), &r.Files[0], 1, got)
		if (err == nil) != ok || ok && string(got) != "bc" || err != nil && !errors.Is(err, hub.ErrNoRange) {
			t.Errorf("Content-Range: %s: %q, %v", text, got, err)
		}
	}
}

// TestKeepRenamed: what is kept of a repository that was renamed is found under the name that it was asked for by, as huggingface_hub has it.
func TestKeepRenamed(t *testing.T) {
	h := start(t)
	repo := h.Add("PowerInfer/Test")
	repo.Commit(model())
	repo.Rename("Tiiny/Test")
	c := quick(h)
	c.Cache = t.TempDir()
	r := open(t, hub.New(c), "PowerInfer/Test")
	f, _ := r.Lookup("config.json")
	dir, err := r.Keep(t.Context(), []*hub.File{f}, nil)
	if err != nil || dir != filepath.Join(c.Cache, "models--PowerInfer--Test", "snapshots", r.Commit) {
		t.Errorf("kept in %s, %v", dir, err)
	}
	if _, ok := r.Cached(f); !ok {
		t.Error("it is not in the cache")
	}
	c.Offline = true
	_, offline, err := hub.New(c).OpenCached(hub.Ref{Org: "PowerInfer", Name: "Test"})
	if err != nil || offline != dir {
		t.Errorf("offline it is %q, %v", offline, err)
	}
	if _, err := os.ReadFile(filepath.Join(dir, "config.json")); err != nil {
		t.Error(err)
	}
}
