package textfile

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/format/plaintext"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.txt")
	if err := os.WriteFile(path, []byte("\xef\xbb\xbfabc"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(t.Context(), path, 0); got != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Read(t.Context(), path+"?", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if got, err := ReadFrom(t.Context(), strings.NewReader("\xff\xfea\x00"), "input", 0); got != "a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ReadFrom(t.Context(), strings.NewReader("\xe9"), "input", 0); !errors.Is(err, plaintext.ErrNotText) || !strings.HasPrefix(err.Error(), "input: ") {
		t.Errorf("no text: %v", err)
	}
	// A text may have as many bytes as are allowed.
	if got, err := Read(t.Context(), path, 6); got != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Read(t.Context(), path, 5); !errors.Is(err, ErrTooLong) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("too long: %v", err)
	}
	// Nobody writes to the pipe.
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadFrom(ctx, r, "input", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLines(t *testing.T) {
	read := func(data string) (lines []string, err error) {
		for line, e := range Lines(t.Context(), strings.NewReader(data), "input") {
			if err = e; e == nil {
				lines = append(lines, line)
			}
		}
		return lines, err
	}
	for _, tt := range []struct{ name, data, want string }{
		{"both ends of lines", "a\r\n\nb\rc\n", "a||b\rc"},
		{"no end of the last line", "a\nb", "a|b"},
		{"UTF-8 with a mark", "\xef\xbb\xbfa\n\ufeffb\n", "a|\ufeffb"},
		{"UTF-8 that begins as a mark does", "\uf8ff\n", "\uf8ff"},
		{"UTF-16", "\xff\xfeh\x00i\x00\r\x00\n\x00a\x00", "hi|a"},
		{"UTF-32, big-endian", "\x00\x00\xfe\xff\x00\x00\x00h\x00\x00\x00\n", "h"},
		{"zero bytes", "\x00\x00\na\x00", "\x00\x00|a\x00"},
	} {
		if lines, err := read(tt.data); strings.Join(lines, "|") != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.name, lines, err, tt.want)
		}
	}
	for _, data := range []string{"", "\xef\xbb\xbf", "\xff\xfe"} {
		if lines, err := read(data); lines != nil || err != nil {
			t.Errorf("%q: %q, %v, want no line", data, lines, err)
		}
	}
	for _, tt := range []struct{ name, data, says string }{
		{"Latin-1", "a\ncaf\xe9\nb\n", "input: line 2: it is not a text: it holds bytes that are not UTF-8"},
		{"half a mark", "\xef\xbb", "not UTF-8"},
		{"UTF-16 of an odd number of bytes", "\xff\xfeh\x00\n", "input: it is not a text: it begins as UTF-16"},
	} {
		if lines, err := read(tt.data); !errors.Is(err, plaintext.ErrNotText) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q, %v, want an error that says %q", tt.name, lines, err, tt.says)
		}
	}
}

// A line is there before the next one is written, so that two programs can take turns, and a wait ends with the context.
func TestLinesAsTheyCome(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	next, stop := iter.Pull2(Lines(ctx, r, "input"))
	defer stop()
	for _, want := range []string{"\x00", "a", ""} {
		go io.WriteString(w, want+"\n")
		if line, err, ok := next(); line != want || err != nil || !ok {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
	cancel()
	if _, err, _ := next(); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
