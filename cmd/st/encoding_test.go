package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// utf16File writes a text as PowerShell's > does: in UTF-16 with a byte order mark.
func utf16File(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// Every command that reads a text, from a file or from standard input, reads it in the encoding that a byte order mark says, and refuses
// what is no text.
func TestEncodings(t *testing.T) {
	text, err := os.ReadFile(heldout(t, 1500))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "text")
	commands := []struct {
		args  []string
		stdin bool // has the text; else it is in the file
	}{
		{[]string{"generate", tiny(t), "-f", file, "-n", "4", "--seed", "1"}, false},
		{[]string{"generate", tiny(t), "-p", "-", "-n", "4", "--seed", "1"}, true},
		{[]string{"generate", tiny(t), "-n", "4", "--seed", "1"}, true},
		{[]string{"generate", tiny(t), "--chat", "-n", "4", "--seed", "1"}, true},
		{[]string{"run", tiny(t), "-n", "4", "--seed", "1"}, true},
		{[]string{"eval", tiny(t), "--text", file, "--ctx", "64"}, false},
		{[]string{"eval", tiny(t), "--text", "-", "--ctx", "64"}, true},
		{[]string{"inspect", tiny(t), "--run", "--text", file}, false},
		{[]string{"tokenize", tiny(t)}, true},
		{[]string{"tokenize", tiny(t), "-"}, true},
	}
	run := func(args []string, stdin bool, content string) outcome {
		if stdin {
			return stIn(content, append(args, "--quiet")...)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return st(append(args, "--quiet")...)
	}
	for _, c := range commands {
		want := run(c.args, c.stdin, string(text))
		if want.code != exitOK || want.stdout == "" {
			t.Fatalf("%v: %+v", c.args, want)
		}
		for name, content := range map[string]string{"UTF-8 with a mark": "\xef\xbb\xbf" + string(text), "UTF-16": utf16File(string(text))} {
			if got := run(c.args, c.stdin, content); lines(got.stdout, "seconds", "tokens/s") != lines(want.stdout, "seconds", "tokens/s") || got.code != exitOK {
				t.Errorf("%v of %s: %+v, want %+v", c.args, name, got, want)
			}
		}
		for name, content := range map[string]string{"Latin-1": "caf\xe9 " + string(text), "zero bytes": "a\x00b\x00", "half a pair of surrogates": "\xff\xfe\x3d\xd8h\x00",
			"an odd number of bytes": utf16File(string(text)) + "x"} {
			if got := run(c.args, c.stdin, content); got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, "it is not a text") {
				t.Errorf("%v of %s: %+v", c.args, name, got)
			}
		}
	}
	// So are lines, each of which has a line of JSON.
	for _, content := range []string{"\xef\xbb\xbfTo be\nTo", utf16File("To be\r\nTo\r\n")} {
		if o := stIn(content, "tokenize", tiny(t), "--json"); o != (outcome{exitOK, "[831,298]\n[831]\n", ""}) {
			t.Errorf("lines of %q: %+v", content, o)
		}
	}
	if o := stIn("To be\nca\xe9\n", "tokenize", tiny(t), "--json"); o.code != exitFailure || !strings.Contains(o.stderr, "standard input: line 2: it is not a text") {
		t.Errorf("lines of Latin-1: %+v", o)
	}
	// A byte order mark alone is an empty text.
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff", "\xff\xfe\x00\x00"} {
		if got, want := stIn(mark, "tokenize", tiny(t)), stIn("", "tokenize", tiny(t)); got != want {
			t.Errorf("%q: %+v, want %+v", mark, got, want)
		}
	}
	// calibrate counts the tokens.
	stats := filepath.Join(dir, "stats")
	var tokens []int
	for _, content := range []string{string(text), utf16File(string(text))} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, mustJSON[calibrateReport](t, "calibrate", tiny(t), "--text", file, "-o", stats, "--force", "--json", "--quiet").Tokens)
	}
	if len(slices.Compact(tokens)) != 1 {
		t.Errorf("tokens of the text in UTF-8 and UTF-16: %v", tokens)
	}
}

// A text on the command line is refused, too, if it is not UTF-8: wrong usage of the argument or the flag that is named.
func TestArgumentEncodings(t *testing.T) {
	const latin1 = "caf\xe9"
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"--prompt", []string{"generate", tiny(t), "-p", latin1}},
		{"--system", []string{"generate", tiny(t), "--chat", "--system", latin1, "-p", "x"}},
		{"--stop", []string{"generate", tiny(t), "-p", "x", "--stop", latin1}},
		{"--json-schema", []string{"generate", tiny(t), "-p", "x", "--json-schema", `{"const": "` + latin1 + `"}`}},
		{"--regex", []string{"generate", tiny(t), "-p", "x", "--regex", latin1}},
		{"PROMPT", []string{"run", tiny(t), latin1}},
		{"--prompt", []string{"inspect", tiny(t), "--run", "-p", latin1}},
		{"TEXT", []string{"tokenize", tiny(t), latin1}},
		{"TEXT", []string{"tokenize", tiny(t), latin1, "--json"}},
	} {
		want := "st: " + tt.name + ": it is not a text: it holds bytes that are not UTF-8\n"
		if o := st(tt.args...); o.code != exitUsage || o.stdout != "" || !strings.HasPrefix(o.stderr, want) {
			t.Errorf("%q: %+v, want %q", tt.args, o, want)
		}
	}
}

// lines returns a text without the lines that tell of times.
func lines(text string, without ...string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(without, func(w string) bool { return strings.Contains(line, w) }) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
