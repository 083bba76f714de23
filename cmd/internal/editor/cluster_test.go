package editor

import (
	"testing"

	"github.com/rivo/uniseg"
)

// What is known of plain characters without uniseg is what uniseg says, whichever of them meet.
func TestPlain(t *testing.T) {
	neighbours := []rune{'a', 'é', 'Ж', 'か', '漢', '한', '가'}
	for r := rune(0); r < 0x11000; r++ {
		want := plainColumns(r)
		if want == 0 {
			continue
		}
		for _, n := range neighbours {
			for _, s := range []string{string([]rune{r, n}), string([]rune{n, r})} {
				c, rest, columns, _ := uniseg.FirstGraphemeClusterInString(s, -1)
				if got, gotColumns := plain(s); c != s[:got] || columns != gotColumns || rest == "" {
					t.Fatalf("%q (%U): %d bytes, %d columns; uniseg has %q, %d", s, []rune(s), got, gotColumns, c, columns)
				}
			}
		}
	}
}

func TestShown(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "\x1b": "^[", "\x7f": "^?", "\u202e": "<U+202E>", "한": "한", "\u200b": "\u200b", "e\u0301": "e\u0301"} {
		clusters(in, func(c string, n int) bool {
			got, columns := shown(c, n)
			if got != want || in[0] < 0x80 && in != "e\u0301" && columns != len(want) {
				t.Errorf("%q: %q, %d columns", in, got, columns)
			}
			return true
		})
	}
}
