package terminal

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text", "Größe: 3 × 4\n\tüber\n", "Größe: 3 × 4\n\tüber\n"},
		{"emoji of several characters", "👩‍🔬 é", "👩‍🔬 é"},
		{"a colour", "\x1b[31mred\x1b[0m", "^[[31mred^[[0m"},
		{"a clipboard", "\x1b]52;c;cm0gLXJmIC8=\a", "^[]52;c;cm0gLXJmIC8=^G"},
		{"one character instead of ESC [", "\u009b2J", "<U+009B>2J"},
		{"backspace and delete", "ab\b\x7f", "ab^H^?"},
		{"NUL", "a\x00b", "a^@b"},
		{"a line break of Windows", "a\r\nb", "a\r\nb"},
		{"back to the start of the line", "good\rbad", "good^Mbad"},
		{"at the end", "good\r", "good^M"},
		{"text that runs backwards", "a\u202eb\u2066c", "a<U+202E>b<U+2066>c"},
		{"a byte that is no character", "a\x9bb\xff", "a\ufffdb\ufffd"},
		{"half a character at the end", "a\xe2\x82", "a\ufffd\ufffd"},
	} {
		for cut := 1; cut <= max(1, len(tt.in)); cut++ { // in pieces of every size
			var b strings.Builder
			w := NewVisible(&b)
			for at := 0; at < len(tt.in); at += cut {
				piece := tt.in[at:min(len(tt.in), at+cut)]
				if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
					t.Fatalf("%s: %d, %v", tt.name, n, err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", tt.name, cut, b.String(), tt.want)
			}
		}
	}
}

// What is complete is written at once: a person watches.
func TestVisibleWaitsForNothing(t *testing.T) {
	var b strings.Builder
	if _, err := NewVisible(&b).Write([]byte("the €")); err != nil || b.String() != "the €" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestVisibleError(t *testing.T) {
	broken := errors.New("broken")
	w := NewVisible(errorWriter{broken})
	if n, err := w.Write([]byte("a")); n != 0 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
}

type errorWriter struct{ err error }

func (w errorWriter) Write([]byte) (int, error) { return 0, w.err }

func FuzzVisible(f *testing.F) {
	f.Add([]byte("a\x1b[31m\r\n\u202e\xff€"), 1)
	f.Add([]byte("\r\r\n\xe2\x82"), 2)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		whole, parts := show(data), ""
		if cut = cut & 0xffff; cut <= len(data) {
			parts = show(data[:cut], data[cut:])
		} else {
			parts = show(data)
		}
		if whole != parts {
			t.Errorf("%q at once, %q in two parts", whole, parts)
		}
		if !utf8.ValidString(whole) {
			t.Errorf("%q is not UTF-8", whole)
		}
		for _, r := range strings.ReplaceAll(whole, "\r\n", "\n") {
			if r != '\n' && r != '\t' && deceives(r) {
				t.Errorf("%q is obeyed by a terminal", whole)
			}
		}
	})
}

func show(parts ...[]byte) string {
	var b strings.Builder
	w := NewVisible(&b)
	for _, p := range parts {
		w.Write(p)
	}
	w.Flush()
	return b.String()
}

func TestPrintable(t *testing.T) {
	if got, want := Printable("a\x1b[2J\nb\tc\u202e é"), "a\ufffd[2J\ufffdb\ufffdc\ufffd é"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
