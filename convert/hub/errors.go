package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Sentinel errors. Each is a part of a sentence that names the repository or the file.
var (
	// ErrEndpoint is about an address of a service that cannot be one.
	ErrEndpoint = errors.New("the address of the service is wrong")
	// ErrNotFound is about a repository that is not there, or that the service hides from whoever asks.
	ErrNotFound = errors.New("there is no such repository, or it is private")
	// ErrRevision is about a branch, tag or commit that is not there.
	ErrRevision = errors.New("there is no such revision")
	// ErrNoFile is about a file that the repository has not.
	ErrNoFile = errors.New("there is no such file")
	// ErrGated is about a repository whose terms have to be accepted.
	ErrGated = errors.New("the repository is gated: its terms have to be accepted")
	// ErrToken is about a token that is missing or refused.
	ErrToken = errors.New("the service asks for a valid token")
	// ErrForbidden is about what the token's owner may not read.
	ErrForbidden = errors.New("the service refuses access")
	// ErrOffline is about what would need a request although requests are forbidden.
	ErrOffline = errors.New("requests are switched off, and it is not in the cache")
	// ErrHash is about bytes that are not those that the service published the hash of.
	ErrHash = errors.New("does not have the hash that the service publishes")
	// ErrDamaged is about a file of the cache.
	ErrDamaged = errors.New("does not have the hash that the cache keeps it by")
	// ErrChanged is about a file that is not what it was when the repository was opened.
	ErrChanged = errors.New("was changed meanwhile")
	// ErrNoRange is about a server, or a proxy before it, that sends whole files only.
	ErrNoRange = errors.New("the server does not send parts of files")
	// ErrUnreachable is about a service that does not answer, or fails, again and again.
	ErrUnreachable = errors.New("the service cannot be reached")
	// ErrProtocol is about an answer that makes no sense.
	ErrProtocol = errors.New("the service's answer is not understood")
)

// statusError is an answer that is no success.
type statusError struct {
	kind   error // a sentinel; nil: none
	status int
	text   string // what the server said
	url    string
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s answers %d %s", withoutQuery(e.url), e.status, http.StatusText(e.status))
	if e.text != "" {
		s += ": " + e.text
	}
	if e.kind != nil {
		s = e.kind.Error() + " (" + s + ")"
	}
	return s
}

func (e *statusError) Unwrap() error { return e.kind }

// again reports whether the same request may succeed later.
func (e *statusError) again() bool {
	return e.status >= 500 && e.status != http.StatusNotImplemented || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

// newStatusError reads an answer of the service itself, not of a storage that it redirects to.
func newStatusError(resp *http.Response, text string, hasToken bool) *statusError {
	e := &statusError{status: resp.StatusCode, url: resp.Request.URL.String(), text: oneLine(resp.Header.Get("X-Error-Message"))}
	if e.text == "" {
		e.text = text
	}
	switch code := resp.Header.Get("X-Error-Code"); {
	case code == "GatedRepo":
		e.kind = ErrGated
	case code == "RepoNotFound":
		e.kind = ErrNotFound
	case code == "RevisionNotFound":
		e.kind = ErrRevision
	case code == "EntryNotFound":
		e.kind = ErrNoFile
	case e.status == http.StatusUnauthorized && !hasToken:
		e.kind = ErrNotFound // which is what the Hub answers for repositories that are not there, too
	case e.status == http.StatusUnauthorized:
		e.kind = ErrToken
	case e.status == http.StatusForbidden:
		e.kind = ErrForbidden
	case e.status == http.StatusNotFound:
		e.kind = ErrNotFound
	}
	return e
}

// withoutQuery drops what signs an address, and a password.
func withoutQuery(address string) string {
	before, _, _ := strings.Cut(address, "?")
	if u, err := url.Parse(before); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return before
}
