package main

import (
	"net"
	"net/url"
	"strings"
)

// The address that st serve listens on: ollama's, so that its clients find it.
const (
	loopback       = "127.0.0.1"
	defaultAddress = loopback + ":" + defaultPort
	defaultPort    = "11434"
)

// listenAddress returns the address that a flag names, or else a variable as ollama reads it: host, host:port, :port or a URL. A number alone, which is
// a host to ollama that nothing can reach, is a port of this machine: whoever writes one means that, and :port would let others in.
func listenAddress(flag, variable string) (string, error) {
	name, from := flag, "--addr"
	if flag == "" {
		name, from = strings.TrimSpace(strings.Trim(strings.TrimSpace(variable), `"'`)), "OLLAMA_HOST"
	}
	if name == "" {
		return defaultAddress, nil
	}
	port := defaultPort
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil || u.Host == "" {
			return "", usagef("%s is %q: it must be a host and a port", from, name)
		}
		name = u.Host
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		}
	}
	whole := name
	if name, _, _ = strings.Cut(name, "/"); name == "" { // a URL without its beginning may end with one, or have a path
		return "", usagef("%s is %q: it must be a host and a port", from, whole)
	}
	host := strings.Trim(name, "[]")
	if h, p, err := net.SplitHostPort(name); err == nil {
		host, port = h, p
	} else if strings.Trim(name, "0123456789") == "" {
		host, port = loopback, name
	} else if strings.Contains(name, ":") && net.ParseIP(host) == nil {
		return "", usagef("%s is %q: it must be a host and a port", from, name)
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n < 0 {
		return "", usagef("%s is %q: %q is not a port", from, name, port)
	}
	return net.JoinHostPort(host, port), nil
}

// isLoopback reports whether only this machine can reach an address.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
