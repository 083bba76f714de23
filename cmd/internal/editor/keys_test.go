package editor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func text1(s string) key { return key{opInsert, s} }
func press(o op) key     { return key{op: o} }

func TestDecode(t *testing.T) {
	const begin, end = pasteBegin, pasteEnd
	for _, tt := range []struct {
		name  string
		reads []string
		want  []key
	}{
		{"a line", []string{"hi", "\r"}, []key{text1("hi"), press(opEnter)}},
		{"a line at once", []string{"hi\r"}, []key{text1("hi"), press(opEnter)}},
		{"a line that was typed before the terminal was ours", []string{"hi\n"}, []key{text1("hi"), press(opEnter)}},
		{"Ctrl+J", []string{"a", "\n"}, []key{text1("a"), press(opNewline)}},
		{"several lines at once", []string{"a\rb\tc\r\nd\r"}, []key{text1("a"), text1("\n"), text1("b"), text1("\t"), text1("c"), text1("\n"), text1("d"), text1("\n")}},
		{"Enter twice", []string{"\r", "\r"}, []key{press(opEnter), press(opEnter)}},
		{"Enter and Ctrl-D", []string{"a\r\x04"}, []key{text1("a"), press(opEnter), press(opEnd)}},
		{"Enter and an arrow", []string{"a\r\x1b[A"}, []key{text1("a"), press(opEnter), press(opUp)}},
		{"Tab", []string{"/he\t"}, []key{text1("/he"), press(opTab)}},
		{"tabs in a text", []string{"a\tb"}, []key{text1("a"), text1("\t"), text1("b")}},
		{"Alt+Enter", []string{"a\x1b\r", "b\x1b\n"}, []key{text1("a"), press(opNewline), text1("b"), press(opNewline)}},
		{"Shift+Enter", []string{"\x1b[13;2u\x1b[27;2;13~"}, []key{press(opNewline), press(opNewline)}},

		{"a paste", []string{begin + "a\rb\r\nc\td\n" + end + "\r"}, []key{{opPaste, "a\nb\nc\td\n"}, press(opEnter)}},
		{"a paste in pieces", strings.SplitAfter(begin+"a\rb"+end+"\r", ""), []key{{opPaste, "a\nb"}, press(opEnter)}},
		{"a paste of sequences", []string{begin + "\x1b[A\x1b[31m\x03\x04\x1b" + end}, []key{{opPaste, "\x1b[A\x1b[31m\x03\x04\x1b"}}},
		{"two pastes", []string{begin + "a" + end + begin + "b" + end}, []key{{opPaste, "a"}, {opPaste, "b"}}},
		{"a paste without an end", []string{begin + "ab\x03", "\r", "c\x1b[20", "\x03", end + "d"},
			[]key{{opPaste, "ab\x03\nc\x1b[20"}, press(opInterrupt), press(opNone), text1("d")}},
		{"a paste without an end, and Ctrl-C twice", []string{begin, "a", "\x03\x03"}, []key{{opPaste, "a"}, press(opInterrupt), press(opInterrupt)}},
		{"a paste that is not UTF-8", []string{begin + "a\xffb" + end}, []key{{opPaste, "a\ufffdb"}}},

		{"a character that is cut", []string{"a\xf0\x9f", "\x98\x80b"}, []key{text1("a"), text1("😀b")}},
		{"not UTF-8", []string{"a\xffb"}, []key{text1("a\ufffdb")}},
		{"a sequence that is cut", []string{"\x1b", "[1", ";5", "D"}, []key{press(opWordLeft)}},
		{"Esc twice", []string{"\x1b\x1b[A"}, []key{press(opNone), press(opUp)}},
		{"Alt and letters", []string{"\x1bb\x1bö"}, []key{press(opWordLeft), press(opNone)}},
		{"unknown sequences", []string{"\x1b[99;99z\x1bOx\x1b[[Aa"}, []key{press(opNone), press(opNone), press(opNone), text1("a")}},
		{"a sequence without an end", []string{"\x1b[" + strings.Repeat("1", 100) + "\r"}, []key{press(opNone), text1(strings.Repeat("1", 38)), press(opEnter)}},
		{"control characters", []string{"\x00\x1c\x7f"}, []key{press(opNone), press(opNone), press(opBackspace)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d decoder
			var got []key
			for _, r := range tt.reads {
				got = append(got, d.decode([]byte(r))...)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(key{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// However the input is cut, a marked paste is the same, and nothing is lost or held back for good.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("a\x1b[A"), []byte("x\ry\x1b"), 3)
	f.Add([]byte(pasteBegin), []byte("é\xf0\x9f\x98"), 1)
	f.Fuzz(func(t *testing.T, before, paste []byte, n int) {
		if strings.Contains(string(paste), "\x03") { // which ends a paste if the cuts are before and behind it
			return
		}
		if strings.Contains(string(before), pasteBegin) || strings.Contains(string(paste)+pasteEnd[:len(pasteEnd)-1], pasteEnd) {
			return
		}
		all := append(append([]byte(nil), before...), "\x1b[A"+pasteBegin+string(paste)+pasteEnd+"\r"...)
		var d decoder
		var keys []key
		for n = max(1, n); len(all) > 0; {
			k := min(n, len(all))
			keys = append(keys, d.decode(all[:k])...)
			all = all[k:]
		}
		if len(keys) < 2 || keys[len(keys)-1].op != opEnter {
			t.Fatalf("%v", keys)
		}
		if got := keys[len(keys)-2]; got != (key{opPaste, clean(paste)}) {
			t.Fatalf("the paste is %q", got.text)
		}
	})
}
