package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// againError marks an error after which the same request may succeed. wait is what the server asked for; 0: it asked for nothing.
type againError struct {
	err  error
	wait time.Duration
}

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }

// try calls do until it succeeds, fails for good, or has failed too often without bringing anything. do tells whether it brought bytes,
// and marks with [againError] what may be tried again. Errors of the network may be tried again, too.
func (c *Client) try(ctx context.Context, what string, do func() (progress bool, err error)) error {
	for failed := 0; ; {
		progress, err := do()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		if progress {
			failed = 0
		}
		failed++
		if failed >= c.attempts(err) && failed == 1 {
			return fmt.Errorf("%s: %w: %w", what, ErrUnreachable, err)
		}
		if failed >= c.attempts(err) {
			return fmt.Errorf("%s: %w: %d attempts failed, the last one: %w", what, ErrUnreachable, failed, err)
		}
		wait := c.wait(failed, err)
		if c.config.Note != nil && (wait >= time.Second || failed > 1) {
			c.config.Note(fmt.Sprintf("%s: %v; tried again in %s", what, err, wait.Round(100*time.Millisecond)))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// attempts is fewer for a service that never answered: its address is likely to be wrong, or there is no network.
func (c *Client) attempts(err error) int {
	if c.reached.Load() {
		return c.config.Attempts
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return 1
	}
	return min(c.config.Attempts, 4)
}

// longestOwnWait bounds the time that doubles.
const longestOwnWait = 30 * time.Second

// wait returns how long to wait before the next attempt: what the server asked for, or a time that doubles; with some chance in it, so that
// requests that failed together do not come back together.
func (c *Client) wait(failed int, err error) time.Duration {
	d := min(c.config.FirstWait<<min(failed-1, 16), longestOwnWait, c.config.LongestWait)
	d -= time.Duration(rand.Int64N(int64(d)/2 + 1))
	if again, ok := errors.AsType[*againError](err); ok && again.wait > 0 {
		d = min(again.wait, c.config.LongestWait) // a date far away would overflow the sum below
		d += time.Duration(rand.Int64N(int64(d)/8 + 1))
	}
	return min(d, c.config.LongestWait)
}

// permanent reports whether there is no use in another attempt.
func permanent(err error) bool {
	if again, ok := errors.AsType[*againError](err); ok && again != nil {
		return false
	}
	if _, ok := errors.AsType[*statusError](err); ok {
		return true
	}
	for _, kind := range []error{ErrProtocol, ErrOffline, ErrEndpoint, ErrNoRange, ErrChanged, ErrHash, ErrNoFile, ErrToken} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return strings.Contains(err.Error(), "certificate") // another attempt meets the same one
}

// checkStatus returns an error about an answer that is no success. It closes the body then.
func (c *Client) checkStatus(resp *http.Response, s Service, storage bool) error {
	if resp.StatusCode < 300 {
		return nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	e := newStatusError(resp, oneLine(string(text)), c.config.token(s) != "")
	if storage {
		e.kind = nil
	}
	if e.again() {
		return &againError{e, retryAfter(resp.Header, time.Now())}
	}
	return e
}

// oneLine makes one line of a server's text. An HTML page gives none.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if strings.HasPrefix(text, "<") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\ufffd' }) {
		return ""
	}
	return text
}

// retryAfter reads how long a server wants us to wait: Retry-After in seconds or as a date (RFC 9110, section 10.2.3), or the time that is left
// in the Hub's RateLimit header when no requests are, as in `"api";r=0;t=55`. 0: it says nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	var left time.Duration
	for part := range strings.SplitSeq(h.Get("RateLimit"), ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch n, err := strconv.ParseFloat(v, 64); {
		case name == "r" && v != "0":
			return 0 // there may be more requests: this is not what the answer is about
		case name == "t" && err == nil && n >= 0 && n < 1e6:
			left = time.Duration(n * float64(time.Second))
		}
	}
	return left
}

// getJSON asks for a document, and returns the answer's header and the address that it came from.
func (c *Client) getJSON(ctx context.Context, s Service, address string, limit int64, decode func([]byte) error) (h http.Header, from *url.URL, err error) {
	err = c.try(ctx, withoutQuery(address), func() (bool, error) {
		resp, err := c.send(ctx, request{service: s, method: http.MethodGet, url: address, header: http.Header{"Accept": {"application/json"}}})
		if err != nil {
			return false, err
		}
		if err := c.checkStatus(resp, s, false); err != nil {
			return false, err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
		if err != nil {
			return false, &againError{err: err}
		}
		if int64(len(data)) > limit {
			return false, fmt.Errorf("%w: %s answers with more than %d bytes", ErrProtocol, withoutQuery(address), limit)
		}
		h, from = resp.Header, resp.Request.URL
		if err := decode(data); err != nil {
			return false, fmt.Errorf("%w: %s: %w", ErrProtocol, withoutQuery(address), err)
		}
		return true, nil
	})
	return h, from, err
}
