package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInspectHTML(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	must(t, "inspect", tiny(t), "--html", path, "--quiet")
	text := read()
	// A row for each layer, expert and tensor, and pictures of sizes and weights.
	if n := strings.Count(text, "<tr><td"); n != 8+6+96+333 {
		t.Errorf("%d rows", n)
	}
	if n := strings.Count(text, "<svg"); n != 2 || strings.Contains(text, "Sparsity") || strings.Contains(text, "Speed by --memory") {
		t.Errorf("%d pictures", n)
	}
	if o := st("inspect", tiny(t), "--html", path); o.code != exitFailure || !strings.Contains(o.stderr, "use --force") {
		t.Errorf("over a file: %+v", o)
	}
	must(t, "inspect", tiny(t), "--html", path, "--force", "--quiet", "--run", "--text", heldout(t, 3000))
	text = read()
	for _, want := range []string{"Experts at work", "Sparsity", "layer 5: median"} {
		if !strings.Contains(text, want) {
			t.Errorf("with --run there is no %q", want)
		}
	}
	if n := strings.Count(text, "<svg"); n != 4 {
		t.Errorf("with --run: %d pictures", n)
	}
	for _, args := range [][]string{{"--json"}, {"--layers"}, {"--layer", "1", "--experts"}, {"--verify"}} {
		if o := st(append([]string{"inspect", tiny(t), "--html", path, "--force"}, args...)...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
