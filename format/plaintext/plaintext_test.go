package plaintext

import (
	"errors"
	"strings"
	"testing"
)

// A byte order mark says how a text is encoded, and what is no text is refused.
func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"UTF-8", "naïve 🙂\r\n", "naïve 🙂\r\n"},
		{"UTF-8 with a mark", "\xef\xbb\xbfé", "é"},
		{"a mark within the text", "a\ufeffb", "a\ufeffb"},
		{"two marks", "\xef\xbb\xbf\ufeffa", "\ufeffa"},
		{"UTF-16, as PowerShell writes it", "\xff\xfeh\x00i\x00\r\x00\n\x00", "hi\r\n"},
		{"UTF-16, big-endian", "\xfe\xff\x00h\x00\xe9", "hé"},
		{"UTF-16 with surrogates", "\xff\xfe\x3d\xd8\x42\xde", "🙂"},
		{"UTF-32", "\xff\xfe\x00\x00h\x00\x00\x00\x42\xf6\x01\x00", "h🙂"},
		{"UTF-32, big-endian", "\x00\x00\xfe\xff\x00\x00\x00h", "h"},
		{"a replacement character", "\xff\xfe\xfd\xff", "\ufffd"},
		{"nothing", "", ""},
		{"a mark and nothing", "\xff\xfe", ""},
	} {
		if got, err := Decode([]byte(tt.data)); string(got) != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ name, data, says string }{
		{"Latin-1", "caf\xe9", "not UTF-8"},
		{"half a character", "a\xe2\x82", "not UTF-8"},
		{"UTF-16 without a mark", "h\x00i\x00", "zero bytes"},
		{"an odd number of bytes", "\xff\xfeh\x00i", "begins as UTF-16"},
		{"zero characters in UTF-16", "\xff\xfeh\x00\x00\x00", "begins as UTF-16"},
		{"a surrogate at the end", "\xff\xfe\x3d\xd8", "begins as UTF-16"},
		{"half a pair of surrogates", "\xff\xfe\x3d\xd8h\x00", "begins as UTF-16"},
		{"beyond Unicode", "\x00\x00\xfe\xff\x00\x11\x00\x00", "begins as UTF-32"},
		{"Latin-1 after a mark of UTF-8", "\xef\xbb\xbfcaf\xe9", "not UTF-8"},
	} {
		if got, err := Decode([]byte(tt.data)); !errors.Is(err, ErrNotText) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q, %v, want an error that says %q", tt.name, got, err, tt.says)
		}
	}
}
