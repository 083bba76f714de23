package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"st/convert/hub"
	"st/convert/hub/hubtest"
)

// quick is a client that waits as little as it can before another attempt. That an answer waits for a processor is no reason for one.
func quick(h *hubtest.Hub) hub.Config {
	return hub.Config{HuggingFace: h.URL, ModelScope: h.URL, Stall: time.Hour, FirstWait: time.Millisecond, LongestWait: 20 * time.Millisecond}
}

func start(t *testing.T) *hubtest.Hub {
	h := hubtest.New()
	t.Cleanup(h.Close)
	return h
}

// weights are more than two pieces of a stream.
var weights = func() []byte {
	b := make([]byte, 9<<20+17)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

// model is a repository with a small file, a large one, and one in a folder.
func model() map[string]hubtest.Content {
	return map[string]hubtest.Content{
		"config.json":         hubtest.Bytes(`{"model_type":"test"}`),
		"empty":               hubtest.Bytes(""),
		"model.safetensors":   hubtest.Bytes(weights),
		"a folder/ü+%20.json": hubtest.Bytes(`{}`),
	}
}

func open(t *testing.T, c *hub.Client, name string) *hub.Repository {
	t.Helper()
	ref, err := hub.ParseRef(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRepository: both services list files with sizes and hashes, and give them, whole and in parts, at the commit that was there.
func TestRepository(t *testing.T) {
	for _, scheme := range []string{"hf://", "ms://"} {
		h := start(t)
		h.PageSize = 2
		repo := h.Add("Tiiny/Test")
		commit := repo.Commit(model())
		r := open(t, hub.New(quick(h)), scheme+"Tiiny/Test")
		repo.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("changed")})
		if scheme == "hf://" && r.Commit != commit {
			t.Errorf("%s: commit %s, want %s", scheme, r.Commit, commit)
		}
		if len(r.Files) != len(model()) {
			t.Errorf("%s: %d files: %+v", scheme, len(r.Files), r.Files)
		}
		for path, content := range model() {
			want, _ := content.Open()
			all := make([]byte, content.Size())
			if len(all) > 0 {
				want.ReadAt(all, 0)
			}
			got, err := r.ReadFile(t.Context(), path, 10<<20)
			if err != nil || !bytes.Equal(got, all) {
				t.Errorf("%s: %s has %d bytes, %v", scheme, path, len(got), err)
			}
			if len(all) < 100 {
				continue
			}
			f, _ := r.Lookup(path)
			part := make([]byte, 1000)
			if err := r.Fetch(t.Context(), f, 5<<20, part); err != nil || !bytes.Equal(part, all[5<<20:][:1000]) {
				t.Errorf("%s: a part of %s differs: %v", scheme, path, err)
			}
		}
		if _, err := r.ReadFile(t.Context(), "nothing.json", 100); !errors.Is(err, hub.ErrNoFile) {
			t.Errorf("%s: a file that is not there: %v", scheme, err)
		}
	}
}

// TestRenamed: the old name of a repository leads to the new one, in the listing and for files.
func TestRenamed(t *testing.T) {
	h := start(t)
	repo := h.Add("PowerInfer/Test")
	repo.Commit(model())
	repo.Rename("Tiiny/Test")
	r := open(t, hub.New(quick(h)), "PowerInfer/Test")
	if r.ID != "Tiiny/Test" {
		t.Errorf("it is called %s", r.ID)
	}
	if _, err := r.ReadFile(t.Context(), "model.safetensors", 10<<20); err != nil {
		t.Error(err)
	}
}

// TestRevision: a branch, a tag or a commit can be asked for.
func TestRevision(t *testing.T) {
	h := start(t)
	repo := h.Add("Tiiny/Test")
	old := repo.Commit(model())
	repo.Tag("v1", old)
	now := repo.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}")})
	client := hub.New(quick(h))
	for rev, want := range map[string]string{"": now, "@main": now, "@v1": old, "@" + old: old} {
		if r := open(t, client, "Tiiny/Test"+rev); r.Commit != want {
			t.Errorf("%q is %s, want %s", rev, r.Commit, want)
		}
	}
	ref, _ := hub.ParseRef("Tiiny/Test@v2")
	if _, err := client.Open(t.Context(), ref); !errors.Is(err, hub.ErrRevision) {
		t.Errorf("no such revision: %v", err)
	}
}

// TestAccess: refusals are told apart, and the token goes to the Hub and nowhere else.
func TestAccess(t *testing.T) {
	h := start(t)
	h.Add("Tiiny/Private").Private("secret")
	h.Add("Tiiny/Gated").Commit(model())
	repo := h.Add("Tiiny/Open")
	repo.Private("secret")
	repo.Commit(model())
	gated := h.Add("Tiiny/Gated")
	gated.Commit(model())
	gated.Gate(true)
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"Tiiny/Nothing", "", hub.ErrNotFound}, {"Tiiny/Nothing", "secret", hub.ErrNotFound}, {"Tiiny/Private", "", hub.ErrNotFound},
		{"Tiiny/Private", "wrong", hub.ErrNotFound}, {"Tiiny/Gated", "secret", hub.ErrGated}, {"Tiiny/Open", "secret", nil},
	} {
		c := quick(h)
		c.HuggingFaceToken = tt.token
		ref, _ := hub.ParseRef(tt.name)
		r, err := hub.New(c).Open(t.Context(), ref)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s with %q: %v", tt.name, tt.token, err)
		}
		if err == nil {
			if _, err := r.ReadFile(t.Context(), "model.safetensors", 10<<20); err != nil {
				t.Error(err)
			}
		}
	}
	if h.Leaks() > 0 {
		t.Errorf("the storage has seen %d tokens", h.Leaks())
	}
}

// TestFaults: whatever happens to requests, a file comes as it is, or an error does.
func TestFaults(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			h, transport := hubtest.NewPiped()
			defer h.Close()
			h.Add("Tiiny/Test").Commit(model())
			h.Signed = 3
			h.SetFaults(hubtest.Random(seed, 0.4, 25, false))
			ref, _ := hub.ParseRef([]string{"hf://", "ms://"}[seed%2] + "Tiiny/Test")
			c := quick(h)
			c.Transport = transport
			r, err := hub.New(c).Open(t.Context(), ref)
			if err != nil {
				t.Errorf("%d: %v", seed, err)
				return
			}
			f, _ := r.Lookup("model.safetensors")
			s := r.Stream(t.Context(), []hub.Span{{File: f, From: 0, To: f.Size}}, 8<<20)
			defer s.Close()
			var got []byte
			for {
				p, ok, err := s.Next()
				if err != nil && !errors.Is(err, hub.ErrChanged) {
					t.Errorf("%d: %v", seed, err)
				}
				if err != nil {
					return
				}
				if !ok {
					break
				}
				got = append(got, p.Data...)
				s.Release(p)
			}
			if !bytes.Equal(got, weights) {
				t.Errorf("%d: the file differs", seed)
			}
		})
	}
}

// TestBackOff: a server that asks for time gets it, and one that always fails is given up.
func TestBackOff(t *testing.T) {
	for _, tt := range []struct {
		header  func() string // when the answer is sent
		atLeast time.Duration
	}{
		{func() string { return "0.2" }, 200 * time.Millisecond},
		{func() string { return time.Now().Add(1500 * time.Millisecond).UTC().Format(http.TimeFormat) }, 400 * time.Millisecond},
	} {
		h := start(t)
		h.Add("Tiiny/Test").Commit(model())
		failed := false
		h.SetFaults(func(r hubtest.Request) hubtest.Fault {
			if failed {
				return hubtest.Fault{}
			}
			failed = true
			return hubtest.Fault{Status: http.StatusTooManyRequests, RetryAfter: tt.header()}
		})
		c := quick(h)
		c.LongestWait = 10 * time.Second
		begin := time.Now()
		open(t, hub.New(c), "Tiiny/Test")
		if d := time.Since(begin); d < tt.atLeast {
			t.Errorf("it came back after %s, want %s at least", d, tt.atLeast)
		}
	}
	h := start(t)
	h.Add("Tiiny/Test").Commit(model())
	h.SetFaults(func(hubtest.Request) hubtest.Fault { return hubtest.Fault{Status: http.StatusServiceUnavailable} })
	ref, _ := hub.ParseRef("Tiiny/Test")
	_, err := hub.New(quick(h)).Open(t.Context(), ref)
	if !errors.Is(err, hub.ErrUnreachable) || !strings.Contains(err.Error(), "503 Service Unavailable") {
		t.Errorf("a server that fails: %v", err)
	}
	c := quick(h)
	c.HuggingFace = "http://127.0.0.1:0"
	var notes []string
	c.Note = func(text string) { notes = append(notes, text) }
	_, err = hub.New(c).Open(t.Context(), ref)
	if !errors.Is(err, hub.ErrUnreachable) || strings.Count(err.Error(), c.HuggingFace) != 1 {
		t.Errorf("no server: %v, want the address once", err)
	}
	for _, n := range notes {
		if strings.Count(n, c.HuggingFace) != 1 {
			t.Errorf("no server: %q, want the address once", n)
		}
	}
}

// TestWrongBytes: a file that is damaged on its way is fetched again, and refused if it stays so.
func TestWrongBytes(t *testing.T) {
	for _, times := range []int{1, 1000} {
		h := start(t)
		h.Add("Tiiny/Test").Commit(model())
		r := open(t, hub.New(quick(h)), "Tiiny/Test")
		h.SetFaults(func(q hubtest.Request) hubtest.Fault {
			times--
			return hubtest.Fault{Flip: times >= 0}
		})
		for _, path := range []string{"config.json", "model.safetensors"} {
			_, err := r.ReadFile(t.Context(), path, 10<<20)
			if times < 0 && err != nil || times > 0 && !errors.Is(err, hub.ErrHash) {
				t.Errorf("%s, %d more: %v", path, times, err)
			}
		}
	}
}

// TestCancel: a stream ends at once when its context does, even if the server sends nothing.
func TestCancel(t *testing.T) {
	h := start(t)
	h.Add("Tiiny/Test").Commit(model())
	r := open(t, hub.New(quick(h)), "Tiiny/Test")
	stalled := make(chan struct{}, 100)
	h.SetFaults(func(hubtest.Request) hubtest.Fault {
		stalled <- struct{}{}
		return hubtest.Fault{Stall: -1}
	})
	ctx, cancel := context.WithCancel(t.Context())
	f, _ := r.Lookup("model.safetensors")
	s := r.Stream(ctx, []hub.Span{{File: f, From: 0, To: f.Size}}, 8<<20)
	<-stalled
	cancel()
	if _, _, err := s.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	s.Close()
}

// TestHasher: the state of a hash can be kept and gone on with.
func TestHasher(t *testing.T) {
	h := start(t)
	h.Add("Tiiny/Test").Commit(model())
	r := open(t, hub.New(quick(h)), "Tiiny/Test")
	for path, content := range model() {
		f, _ := r.Lookup(path)
		src, _ := content.Open()
		data := make([]byte, f.Size)
		if len(data) > 0 {
			src.ReadAt(data, 0)
		}
		a := hub.NewHasher(f)
		a.Write(data[:len(data)/3])
		b, err := hub.NewHasherAt(f, a.State())
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data[len(data)/3:])
		if err := b.Check(path); err != nil {
			t.Error(err)
		}
		if err := a.Check(path); len(data) > 0 && !errors.Is(err, hub.ErrHash) {
			t.Errorf("a part of %s: %v", path, err)
		}
	}
}

func TestParseRef(t *testing.T) {
	for text, want := range map[string]hub.Ref{
		"Tiiny/SmallThinker-4BA0.6B-Instruct": {Org: "Tiiny", Name: "SmallThinker-4BA0.6B-Instruct"},
		"hf://a/b@refs/pr/1":                  {Org: "a", Name: "b", Revision: "refs/pr/1"},
		"ms://a/b:Q4_0@v1":                    {Service: hub.ModelScope, Org: "a", Name: "b", Quant: "Q4_0", Revision: "v1"},
	} {
		got, err := hub.ParseRef(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
		if again, err := hub.ParseRef(got.String()); err != nil || again != got {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
	for _, text := range []string{"", "a", "a/b/c", "/b", "a/", "../b", "a/..", "a/b@", "a/b:", "a/b@../x", "a b/c", "hf://a", "https://huggingface.co/a/b", "./a/b", "a/b@-x"} {
		if _, err := hub.ParseRef(text); !errors.Is(err, hub.ErrRef) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRequests: what an opening costs, and that /raw/ is never asked for.
func TestRequests(t *testing.T) {
	h := start(t)
	h.Add("Tiiny/Test").Commit(model())
	r := open(t, hub.New(quick(h)), "Tiiny/Test")
	r.ReadFile(t.Context(), "model.safetensors", 10<<20)
	want := []string{
		"GET /api/models/Tiiny/Test/tree/main", "HEAD /Tiiny/Test/resolve/main/config.json", "GET /api/models/Tiiny/Test/tree/" + r.Commit,
		"HEAD /Tiiny/Test/resolve/" + r.Commit + "/model.safetensors",
	}
	got := h.Requests()
	if !slices.Equal(got[:min(len(got), 4)], want) || len(got) != 5 || !strings.HasPrefix(got[4], "storage GET /repos/") {
		t.Errorf("requests:\n%s", strings.Join(got, "\n"))
	}
	if s := fmt.Sprint(got); strings.Contains(s, "/raw/") {
		t.Error(s)
	}
}

// answers is a transport on which every request gets the same document.
type answers string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

// TestHostileListing: paths and hashes become names of files in the cache, so none may lead out of it.
func TestHostileListing(t *testing.T) {
	for _, file := range []string{
		`"path": "../config.json", "oid": "0123456789012345678901234567890123456789"`,
		`"path": "/etc/passwd", "oid": "0123456789012345678901234567890123456789"`,
		`"path": "config.json", "oid": "../../../config"`,
		`"path": "config.json", "lfs": {"oid": "sha256:../../../config", "size": 1}`,
	} {
		c := hub.New(hub.Config{Transport: answers(`[{"type": "file", "size": 1, ` + file + `}]`)})
		ref := hub.Ref{Org: "Tiiny", Name: "Test", Revision: strings.Repeat("a", 40)}
		if _, err := c.Open(t.Context(), ref); !errors.Is(err, hub.ErrProtocol) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := hub.New(hub.Config{}).Restore(hub.Ref{Org: "Tiiny", Name: "Test"}, "../..", strings.Repeat("a", 40), nil); !errors.Is(err, hub.ErrProtocol) {
		t.Errorf("a repository of the name ../..: %v", err)
	}
}
