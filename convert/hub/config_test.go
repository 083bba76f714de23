package hub

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEnvironment: variables mean what they mean to huggingface_hub.
func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	token := filepath.Join(home, ".cache", "huggingface", "token")
	if err := errors.Join(os.MkdirAll(filepath.Dir(token), 0o777), os.WriteFile(token, []byte("of the file\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(home, "other")
	if err := os.WriteFile(other, []byte("of another"), 0o600); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(home, ".cache", "huggingface", "hub")
	for _, tt := range []struct {
		name string
		env  map[string]string
		want Config
	}{
		{"nothing", nil, Config{Cache: cache, HuggingFaceToken: "of the file"}},
		{"a token", map[string]string{"HF_TOKEN": " t \n"}, Config{Cache: cache, HuggingFaceToken: "t"}},
		{"a token's file", map[string]string{"HF_TOKEN_PATH": "$HOME/other", "HOME": home}, Config{Cache: cache, HuggingFaceToken: "of another"}},
		{"folders", map[string]string{"HF_HOME": "~/hf"}, Config{Cache: filepath.Join(home, "hf", "hub")}},
		{"the cache", map[string]string{"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}, Config{Cache: "/c"}},
		{"XDG", map[string]string{"XDG_CACHE_HOME": "/x"}, Config{Cache: filepath.FromSlash("/x/huggingface/hub")}},
		{"a mirror", map[string]string{"HF_ENDPOINT": "https://mirror/", "HF_HUB_OFFLINE": "yes", "HF_HOME": "/h"},
			Config{HuggingFace: "https://mirror/", Offline: true, Cache: filepath.FromSlash("/h/hub")}},
		{"ModelScope", map[string]string{"MODELSCOPE_DOMAIN": "ms.test", "MODELSCOPE_API_TOKEN": "m", "HF_HOME": "/h"},
			Config{ModelScope: "https://ms.test", ModelScopeToken: "m", Cache: filepath.FromSlash("/h/hub")}},
	} {
		got := configOf(func(name string) string { return tt.env[name] }, func() (string, error) { return home, nil })
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	for address, want := range map[string]string{"": PublicHuggingFace, "http://a/b/": "http://a/b", "a": "", "ftp://a": "", "http://": ""} {
		c := Config{HuggingFace: address}
		got, err := c.endpoint(HuggingFace)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrEndpoint) {
			t.Errorf("%q is %q, %v", address, got, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		header, value string
		want          time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"Retry-After", now.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "-1", 0},
		{"RateLimit", `"api";r=0;t=55`, 55 * time.Second},
		{"RateLimit", `"api";r=499;t=271`, 0},
		{"RateLimit", `"api";t=9`, 9 * time.Second},
	} {
		h := http.Header{}
		h.Set(tt.header, tt.value)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.header, tt.value, got, tt.want)
		}
	}
}
