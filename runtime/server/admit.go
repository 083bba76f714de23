package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"st/runtime/server/page"
)

// Who may ask: programs that have the key, and pages of origins that are allowed, at names that the server answers to.

// admit returns an error if a request may not be answered, and sets the headers that let pages of allowed origins read the answer.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	if s.opts.APIKey == "" && !s.hostAllowed(r.Host) {
		return &Error{Status: http.StatusForbidden, Code: "host_not_allowed",
			Message: fmt.Sprintf("the server does not answer to the name %q: a page of another site may have led here; who runs it can add the name, or give it a key",
				hostOf(r.Host))}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if !s.originAllowed(origin, r.Host) {
			return &Error{Status: http.StatusForbidden, Code: "origin_not_allowed", Message: fmt.Sprintf("pages of %s may not use the server", origin)}
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			h.Set("Access-Control-Max-Age", "86400")
		}
	}
	if r.Method == http.MethodOptions || needsNoKey(r.URL.Path) {
		return nil
	}
	if !s.keyGiven(r.Header) {
		return &Error{Status: http.StatusUnauthorized, Code: "invalid_api_key", Message: "the API key is missing or wrong"}
	}
	return nil
}

// needsNoKey reports whether a path is open to all: the page asks for the key itself.
func needsNoKey(path string) bool {
	return path == "/health" || path == "/v1/health" || path == "/" || strings.HasPrefix(path, page.Path)
}

// keyGiven reports whether a request has the server's key. The time that it takes tells nothing of the key.
func (s *Server) keyGiven(h http.Header) bool {
	if s.opts.APIKey == "" {
		return true
	}
	given := h.Get("x-api-key")
	if scheme, token, ok := strings.Cut(h.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(token)
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.opts.APIKey))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// hostAllowed reports whether the server answers to a Host header. A page of another site whose name was made to lead to this machine (DNS
// rebinding) has that site's name there. Requests of HTTP/1.0 may have none, such as those with which HAProxy asks for a server's health; a browser's
// always have one.
func (s *Server) hostAllowed(hostPort string) bool {
	host := strings.ToLower(hostOf(hostPort))
	return host == "" || isLocalhost(host) || net.ParseIP(host) != nil || isInternal(host) ||
		slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// isInternal reports whether a name can be none of the Internet's: containers call the machine that they run on host.docker.internal, or
// host.containers.internal.
func isInternal(host string) bool {
	return strings.HasSuffix(strings.TrimSuffix(host, "."), ".internal")
}

// hostOf returns a host without its port and brackets.
func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// programSchemes are those of pages that are part of a desktop program, such as Obsidian's app://obsidian.md: no site can have them. They are Ollama's.
var programSchemes = []string{"app", "file", "tauri", "vscode-webview", "vscode-file"}

// originAllowed reports whether pages of an origin may use the server: those that it serves itself, those of this machine and its programs, and those
// that the options name.
func (s *Server) originAllowed(origin, host string) bool {
	for _, o := range s.opts.Origins {
		if o == "*" || strings.EqualFold(o, origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return slices.Contains(programSchemes, u.Scheme) || u.Host != "" && (u.Host == host || isLocalhost(u.Hostname()))
}
