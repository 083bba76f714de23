package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The services' public addresses.
const (
	PublicHuggingFace = "https://huggingface.co"
	PublicModelScope  = "https://www.modelscope.cn"
)

// Config says where the services are, who asks, and how patient it is. The zero value asks the public services, without a token.
type Config struct {
	// HuggingFace and ModelScope are the services' addresses; "": the public ones. A mirror has its own.
	HuggingFace, ModelScope string
	// HuggingFaceToken and ModelScopeToken are sent to those addresses and nowhere else; "": none.
	HuggingFaceToken, ModelScopeToken string
	// Cache is the folder in which huggingface_hub keeps downloads; "": there is none.
	Cache string
	// Offline forbids requests: only the cache is used.
	Offline bool

	// Stall is the time without a byte after which a request is given up and made again; 0: 30 s.
	Stall time.Duration
	// Attempts is how often a request is made, as long as none brings a byte; 0: 12.
	Attempts int
	// FirstWait is the time between the first two attempts, which doubles with each, up to 30 s; 0: 0.5 s. LongestWait bounds it, and
	// what a server may ask for; 0: 5 min.
	FirstWait, LongestWait time.Duration
	// Piece is the number of bytes that a [Stream] asks for at once; 0: 2 MiB.
	Piece int64
	// Transport sends the requests; nil: one that honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
	Transport http.RoundTripper
	// UserAgent is what requests say that they are from.
	UserAgent string
	// Note, if not nil, is told why a request has to wait. It may be called by several goroutines.
	Note func(text string)
}

// FromEnvironment returns the configuration that huggingface_hub would read from the environment: HF_ENDPOINT, HF_TOKEN or the file at
// HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE. Of ModelScope it knows MODELSCOPE_ENDPOINT or MODELSCOPE_DOMAIN, and
// MODELSCOPE_API_TOKEN.
func FromEnvironment() Config { return configOf(os.Getenv, os.UserHomeDir) }

func configOf(getenv func(string) string, homeDir func() (string, error)) Config {
	first := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(getenv(n)); v != "" {
				return v
			}
		}
		return ""
	}
	home, _ := homeDir() // "": there are no folders but those that variables name
	path := func(variable, fallback string) string {
		p := first(variable)
		if p == "" {
			return fallback
		}
		if p == "~" || strings.HasPrefix(p, "~/") {
			p = home + p[1:]
		}
		return os.Expand(p, getenv)
	}
	under := func(dir string, names ...string) string {
		if dir == "" {
			return ""
		}
		return filepath.Join(append([]string{dir}, names...)...)
	}
	hfHome := path("HF_HOME", under(path("XDG_CACHE_HOME", under(home, ".cache")), "huggingface"))
	c := Config{
		HuggingFace:      first("HF_ENDPOINT"),
		HuggingFaceToken: first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
		ModelScope:       first("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"),
		ModelScopeToken:  first("MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN"),
		Cache:            path("HF_HUB_CACHE", path("HUGGINGFACE_HUB_CACHE", under(hfHome, "hub"))),
		Offline:          isTrue(first("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
	}
	if c.ModelScope != "" && !strings.Contains(c.ModelScope, "://") {
		c.ModelScope = "https://" + c.ModelScope
	}
	if file := path("HF_TOKEN_PATH", under(hfHome, "token")); c.HuggingFaceToken == "" && file != "" {
		text, _ := os.ReadFile(file) // without the file there is no token
		c.HuggingFaceToken = strings.TrimSpace(string(text))
	}
	return c
}

func isTrue(v string) bool {
	switch strings.ToUpper(v) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// endpoint returns the address of a service, without a slash at its end.
func (c *Config) endpoint(s Service) (string, error) {
	address, public := c.HuggingFace, PublicHuggingFace
	if s == ModelScope {
		address, public = c.ModelScope, PublicModelScope
	}
	if address == "" {
		address = public
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%w: %q is no address such as %s", ErrEndpoint, address, public)
	}
	return strings.TrimRight(address, "/"), nil
}

func (c *Config) token(s Service) string {
	if s == ModelScope {
		return c.ModelScopeToken
	}
	return c.HuggingFaceToken
}
