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
	pipe, tokenizer, folder := filepath.Join(dir, "pipe"), filepath.Join(dir, "tokenizer.json"), filepath.Join(dir, "tokenizer")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(checkpoint, "tokenizer.json"), filepath.Join(folder, "tokenizer.json"))
	for _, name := range []string{pipe, tokenizer, filepath.Join(folder, "tokenizer_config.json")} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"generate", tiny(t), "-f", pipe},
		{"generate", tiny(t), "-p", "x", "--json-schema", pipe},
		{"inspect", "--compare", pipe, pipe},
		{"serve", tiny(t), "--addr", "127.0.0.1:0", "--api-key-file", pipe},
		{"tokenize", tokenizer, "x"},
		{"tokenize", folder, "x"},
	} {
		var stdout, stderr bytes.Buffer
		if code := runContext(ctx, args, strings.NewReader(""), &stdout, &stderr); code != exitInterrupted || stderr.String() != "st: interrupted\n" {
			t.Errorf("st %s: exit code %d, standard error %q", strings.Join(args, " "), code, &stderr)
		}
	}
}

// A checkpoint's config.json that is a pipe is not waited for: its weights are shown without what it would tell.
func TestInspectBesidePipe(t *testing.T) {
	from, err := filepath.Abs(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "config.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := must(t, "inspect", dir); !strings.Contains(got, "safetensors") {
		t.Errorf("st inspect prints\n%s", got)
	}
}
