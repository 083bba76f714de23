package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// No command writes over what it reads, even with --force, and none over a link.
func TestOutputIsInput(t *testing.T) {
	model, dir := full(t), t.TempDir()
	text, stats, trace := heldout(t, 3000), filepath.Join(dir, "stats"), filepath.Join(dir, "trace")
	must(t, "calibrate", model, "--text", text, "-o", stats, "--covariance", "--quiet")
	must(t, "generate", model, "-p", "To be", "-n", "5", "--trace", trace, "--quiet")
	link := filepath.Join(dir, "link")
	if runtime.GOOS != "windows" {
		if err := os.Symlink(text, link); err != nil {
			t.Fatal(err)
		}
	} else {
		link = text
	}
	before := map[string]string{}
	for _, path := range []string{model, text, stats, trace} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = string(data)
	}
	for _, args := range [][]string{
		{"quantize", model, model},
		{"quantize", model, stats, "--calibration", stats},
		{"convert", checkpoint, "-o", stats, "--calibration", stats},
		{"calibrate", model, "--text", text, "-o", text},
		{"calibrate", model, "--text", text, "-o", model},
		{"inspect", model, "--html", model},
		{"inspect", model, "--html", text, "--run", "--text", text},
		{"inspect", model, "--html", trace, "--cache-plan", "--trace", trace},
		{"eval", model, "--text", text, "--save-logits", text},
		{"quantize", model, link},
		{"calibrate", model, "--text", text, "-o", link},
	} {
		if args[len(args)-1] == link && runtime.GOOS == "windows" {
			continue
		}
		if o := st(append(args, "--force", "--quiet")...); o.code != exitFailure || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%v: %+v", args, o)
		}
	}
	for path, want := range before {
		if data, err := os.ReadFile(path); err != nil || string(data) != want {
			t.Errorf("%s is not what it was: %v", path, err)
		}
	}
	for _, args := range [][]string{
		{"calibrate", model, "--text", text, "-o", filepath.Join(dir, "x"), "--trace", filepath.Join(dir, "x")},
		{"eval", model, "--text", text, "--save-logits", filepath.Join(dir, "x"), "--trace", filepath.Join(dir, "x")},
		{"quantize", model, ""},
		{"eval", model, "--text", text, "--save-logits", ""},
		{"inspect", model, "--html", ""},
	} {
		if o := st(args...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
