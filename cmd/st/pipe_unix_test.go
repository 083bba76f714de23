//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A command that waits for who writes to a pipe with a name ends on a signal.
func TestPipesInterrupted(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"generate", tiny(t), "-f", pipe},
		{"generate", tiny(t), "-p", "x", "--json-schema", pipe},
		{"inspect", "--compare", pipe, pipe},
		{"serve", tiny(t), "--addr", "127.0.0.1:0", "--api-key-file", pipe},
	} {
		var stdout, stderr bytes.Buffer
		if code := runContext(ctx, args, strings.NewReader(""), &stdout, &stderr); code != exitInterrupted || stderr.String() != "st: interrupted\n" {
			t.Errorf("st %s: exit code %d, standard error %q", strings.Join(args, " "), code, &stderr)
		}
	}
}

// Of a checkpoint no file is a pipe: it is told, and not waited for. The weights are shown all the same.
func TestCheckpointPipes(t *testing.T) {
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json"} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(checkpoint)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "config.json" {
			if o := st("inspect", dir); o.code != exitOK || !strings.Contains(o.stdout, "st convert does not take it: config.json: it is not a regular file") {
				t.Errorf("st inspect: %+v", o)
			}
			continue
		}
		if o := st("tokenize", dir, "x"); o.code != exitFailure || !strings.Contains(o.stderr, path+": it is not a regular file") {
			t.Errorf("st tokenize: %+v", o)
		}
	}
}
