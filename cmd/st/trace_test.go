package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"strings"

	"st/runtime/experts"
)

// A run that fails before its first token says why, and leaves no trace.
func TestTraceOfNothing(t *testing.T) {
	dir := t.TempDir()
	trace, text := filepath.Join(dir, "x.trace"), filepath.Join(checkpoint, "heldout.txt")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		ctx  context.Context
		args []string
		code int
		want string
	}{
		{t.Context(), []string{"generate", tiny(t), "-p", "a", "--memory", "1MiB"}, exitFailure, "this model needs"},
		{t.Context(), []string{"bench", tiny(t), "--memory", "1MiB"}, exitFailure, "this model needs"},
		{t.Context(), []string{"eval", tiny(t), "--text", text, "--memory", "1MiB"}, exitFailure, "this model needs"},
		{t.Context(), []string{"logits", tiny(t), "--tokens", "1", "-o", filepath.Join(dir, "x.npy"), "--memory", "1MiB"}, exitFailure, "this model needs"},
		{t.Context(), []string{"generate", tiny(t), "-p", "one two three", "--ctx", "2"}, exitFailure, "give a larger --ctx"},
		{cancelled, []string{"generate", tiny(t), "-p", "a"}, exitInterrupted, "interrupted"},
	} {
		var stdout, stderr bytes.Buffer
		code := runContext(tt.ctx, append(tt.args, "--trace", trace), strings.NewReader(""), &stdout, &stderr)
		if code != tt.code || !strings.Contains(stderr.String(), tt.want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("st %s: exit code %d, standard error %q", strings.Join(tt.args, " "), code, stderr.String())
		}
	}
	if names := list(t, dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// writerFunc is a function that is written to.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A run that is interrupted leaves the trace of the tokens that it had.
func TestTraceOfInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.trace")
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	stdout := writerFunc(func(p []byte) (int, error) {
		if pieces++; pieces == 5 {
			cancel()
		}
		return len(p), nil
	})
	args := []string{"generate", tiny(t), "-p", "To be", "-n", "100000", "--ctx", "1000000", "-q", "--trace", path}
	if code := runContext(ctx, args, strings.NewReader(""), stdout, &bytes.Buffer{}); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if n := traceTokens(t, path); n < 5 {
		t.Errorf("the trace has %d tokens", n)
	}
}

// traceTokens reads a trace and returns the number of its tokens.
func traceTokens(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	return len(trace.Tokens)
}

// A trace that another run made meanwhile is not replaced.
func TestTraceOfTwoRuns(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.trace")
	stdout := writerFunc(func(p []byte) (int, error) { return len(p), os.WriteFile(path, []byte("theirs"), 0o666) })
	var stderr bytes.Buffer
	code := runContext(t.Context(), []string{"generate", tiny(t), "-p", "To be", "-n", "5", "--trace", path}, strings.NewReader(""), stdout, &stderr)
	if code != exitFailure || !strings.Contains(stderr.String(), "x.trace exists: use --force to replace it") {
		t.Errorf("exit code %d, standard error %q", code, stderr.String())
	}
	if text, err := os.ReadFile(path); string(text) != "theirs" {
		t.Errorf("the other trace is now %q, %v", text, err)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}
