// Package clients tests the server with the clients that people use: openai-go, Ollama's Go package and anthropic-sdk-go. It is a module of its
// own, so that they are no dependencies of st.
package clients

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"st/convert"
	"st/quant"
	"st/runtime/server"
)

// modelPath is the trained model of testdata in Q4_0: the model tiny.
var modelPath string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "st-clients-")
	if err == nil {
		modelPath = filepath.Join(dir, "tiny.stm")
		_, err = convert.Run(context.Background(), "../tiny-smallthinker", modelPath, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// serve starts a server on a port of its own, as st serve does, and returns it with its URL.
func serve(t *testing.T, opts server.Options) (*server.Server, string) {
	t.Helper()
	if opts.Models == nil {
		opts.Models = []string{modelPath}
	}
	s, err := server.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		s.Close() // what runs ends
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, "http://" + l.Addr().String()
}

// onePlace are the options of a server that runs one request and refuses others.
var onePlace = server.Options{Parallel: 1, Queue: -1}

// occupy takes a place of a server until release is called.
func occupy(t *testing.T, url string) (release func()) {
	t.Helper()
	r, err := http.Post(url+"/v1/completions", "application/json",
		strings.NewReader(`{"prompt": "The LORD", "ignore_eos": true, "max_tokens": -1, "n": 128, "stream": true}`))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(r.Body).ReadString('\n'); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %q, %v", r.StatusCode, line, err)
	}
	return func() { r.Body.Close() }
}

// free waits until the place of a server is free: a request that is refused comes again.
func free(t *testing.T, url string) {
	t.Helper()
	for {
		r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x", "max_tokens": 1}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		switch r.StatusCode {
		case http.StatusOK:
			return
		case http.StatusTooManyRequests:
			time.Sleep(time.Millisecond)
		default:
			t.Fatalf("status %d", r.StatusCode)
		}
	}
}

// contains reports an error that does not say what it should.
func contains(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that contains %q", err, want)
	}
}
