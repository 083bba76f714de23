package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// With --suffix the model fills a gap: what it does after a prompt that names the tokens for that.
func TestGenerateSuffix(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "fills.stm")
	err := os.CopyFS(dir, os.DirFS(checkpoint))
	if err == nil {
		err = ckpttest.AddInfill(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	if o := st("convert", dir, "-o", path); o.code != exitOK {
		t.Fatal(o)
	}
	generate := func(args ...string) outcome {
		return st(append([]string{"generate", path, "-n", "9", "--temp", "0"}, args...)...)
	}
	want := generate("-p", "<|fim_prefix|>The king said<|fim_suffix|> to him.<|fim_middle|>")
	if want.code != exitOK || want == generate("-p", "The king said") {
		t.Fatal(want)
	}
	cache := filepath.Join(t.TempDir(), "prompt.cache")
	for _, args := range [][]string{nil, {"--prompt-cache", cache}, {"--prompt-cache", cache}} {
		if o := generate(append([]string{"-p", "The king said", "--suffix", " to him."}, args...)...); o.stdout != want.stdout || o.code != exitOK {
			t.Errorf("%v: %+v, want %+v", args, o, want)
		}
	}
	if o := generate("-p", "x", "--suffix", "y", "--chat"); o.code != exitUsage || !strings.Contains(o.stderr, "--suffix and --chat") {
		t.Errorf("%+v", o)
	}
	if o := st("generate", tiny(t), "-p", "x", "--suffix", "y"); o.code != exitFailure || !strings.Contains(o.stderr, "cannot fill a gap") || !strings.Contains(o.stderr, tiny(t)) {
		t.Errorf("%+v", o)
	}
}
