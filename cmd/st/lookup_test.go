package main

import (
	"strings"
	"testing"

	"st/runtime/bench"
)

const repeating = "And the LORD spake unto Moses, saying, Speak unto the children of Israel. And the LORD spake unto Moses, saying, Speak unto"

// Guessing tells what it did, and changes no text.
func TestLookup(t *testing.T) {
	off := generateJSON(t, "-p", repeating, "-n", "40", "--temp", "0", "--lookup", "off")
	on := generateJSON(t, "-p", repeating, "-n", "40", "--temp", "0", "--lookup", "8")
	if off.Drafted != 0 || on.Drafted <= on.Accepted || on.Accepted == 0 || on.Text != off.Text {
		t.Errorf("%d and %d of %d guesses were right, the texts are %q and %q", off.Accepted, on.Accepted, on.Drafted, on.Text, off.Text)
	}
	o := st("generate", tiny(t), "-p", repeating, "-n", "40", "--temp", "0", "--lookup", "8", "--stats")
	if o.stdout != off.Text+"\n" || !strings.Contains(o.stderr, "lookup     ") {
		t.Errorf("%+v", o)
	}
	for _, value := range []string{"16", "-1", "some"} {
		if o := st("generate", tiny(t), "-p", "x", "--lookup", value); o.code != exitUsage || !strings.Contains(o.stderr, "auto, off or a number") {
			t.Errorf("--lookup %s: %+v", value, o)
		}
	}
	if o := st("generate", tiny(t), "-p", "x", "--draft-max", "4"); o.code != exitUsage || !strings.Contains(o.stderr, "--lookup") {
		t.Errorf("llama.cpp's name: %+v", o)
	}
}

func TestBenchLookup(t *testing.T) {
	r := mustJSON[bench.Report](t, "bench", tiny(t), "--prompt", "200", "--gen", "1", "--repeat", "1", "--lookup", "4", "--json", "--quiet")
	l := r.Lookup
	if l == nil || len(l.Passes) != 5 || l.Passes[0].Relative != 1 || l.Tokens != 100 || l.Accepted > l.Drafted || l.Steps+l.Accepted != l.Tokens || l.Speedup <= 0 {
		t.Errorf("%+v", l)
	}
	if o := st("bench", tiny(t), "--prompt", "20", "--gen", "1", "--repeat", "1", "--lookup", "2"); o.code != exitOK || !strings.Contains(o.stdout, "lookup     passes of 1: 1.00, 2: ") {
		t.Errorf("%+v", o)
	}
}
