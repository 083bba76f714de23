package hffile

import (
	"errors"
	"testing"
)

// TestText: a byte order mark says how a text is encoded, and what is no text is refused.
func TestText(t *testing.T) {
	for data, want := range map[string]string{
		"":                               "",
		"naïve":                          "naïve",
		"\xef\xbb\xbfnaïve":              "naïve",
		"\xff\xfea\x00\xef\x00":          "aï",
		"\xfe\xff\x00a\x00\xef":          "aï",
		"\xff\xfe\x3d\xd8\x00\xde\r\x00": "😀\r",
		"\xfe\xff":                       "",
		"\xff\xfe\xfd\xff":               "\ufffd",
		"a\ufeffb":                       "a\ufeffb",
	} {
		if got, err := Text([]byte(data)); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", data, got, err, want)
		}
	}
	for name, data := range map[string]string{
		"Latin-1":                   "na\xefve",
		"UTF-16 without a mark":     "a\x00b\x00",
		"an odd number of bytes":    "\xff\xfea",
		"half a pair of surrogates": "\xff\xfe\x3d\xd8a\x00",
		"a surrogate at the end":    "\xff\xfe\x3d\xd8",
		"UTF-32":                    "\xff\xfe\x00\x00a\x00\x00\x00",
	} {
		if text, err := Text([]byte(data)); !errors.Is(err, ErrNotText) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
