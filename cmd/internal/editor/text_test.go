package editor

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// at makes a text of "before|after".
func at(s string) text {
	before, after, _ := strings.Cut(s, "|")
	return text{s: before + after, at: len(before)}
}

func (t text) String() string { return t.s[:t.at] + "|" + t.s[t.at:] }

const family, flag = "👨‍👩‍👧‍👦", "🇩🇪"

func TestEdit(t *testing.T) {
	for _, tt := range []struct {
		name, from string
		keys       []key
		want       string
	}{
		{"insert", "a|c", []key{text1("b")}, "ab|c"},
		{"backspace", "abc|", []key{press(opBackspace)}, "ab|"},
		{"backspace at the beginning", "|abc", []key{press(opBackspace), press(opLeft)}, "|abc"},
		{"backspace over a line break", "a\n|b", []key{press(opBackspace)}, "a|b"},
		{"backspace over a family", "a" + family + "|", []key{press(opBackspace)}, "a|"},
		{"backspace over flags", flag + flag + "|", []key{press(opBackspace)}, flag + "|"},
		{"backspace over a combining mark", "xe\u0301|", []key{press(opBackspace)}, "x|"},
		{"backspace over Hangul", "한글|", []key{press(opBackspace)}, "한|"},
		{"backspace over jamo", "x\u1112\u1161\u11ab|", []key{press(opBackspace)}, "x|"},
		{"delete a family", "|" + family + "b", []key{press(opDelete)}, "|b"},
		{"delete at the end", "a|", []key{press(opDelete)}, "a|"},
		{"left and right", "a" + family + "e\u0301|" + flag, []key{press(opLeft), press(opLeft), press(opRight), press(opRight), press(opRight), press(opRight)}, "a" + family + "e\u0301" + flag + "|"},
		{"a mark joins what comes before", "ae|b", []key{text1("\u0301"), press(opBackspace)}, "a|b"},
		{"a joiner joins what comes after", "👨|👩x", []key{text1("\u200d")}, "👨\u200d👩|x"},
		{"paste", "a|b", []key{{opPaste, "1\n2\t"}}, "a1\n2\t|b"},
		{"new line", "a|b", []key{press(opNewline)}, "a\n|b"},

		{"line start and end", "a\nbc|d\ne", []key{press(opLineStart), text1("<"), press(opLineEnd), text1(">")}, "a\n<bcd>|\ne"},
		{"text start and end", "a\nb|c", []key{press(opTextStart), text1("<"), press(opTextEnd)}, "<a\nbc|"},
		{"word left", "foo bar-baz |", []key{press(opWordLeft), press(opWordLeft)}, "foo |bar-baz "},
		{"word left stays outside of clusters", "❤️|", []key{press(opWordLeft)}, "|❤️"},
		{"word right", "|foo, b\u00e4r!", []key{press(opWordRight), press(opWordRight)}, "foo, bär|!"},
		{"words over lines", "foo\n|bar", []key{press(opWordLeft)}, "|foo\nbar"},

		{"kill to the end, and yank", "a|bc", []key{press(opKillLineEnd), press(opLineStart), press(opYank)}, "bc|a"},
		{"kill a line break", "a|\nb", []key{press(opKillLineEnd)}, "a|b"},
		{"kill at the end", "a|", []key{press(opKillLineEnd), press(opYank)}, "a|"},
		{"kill to the start", "x\nab|c", []key{press(opKillLineStart), press(opYank), press(opYank)}, "x\nabab|c"},
		{"kills add up backwards", "a b c|", []key{press(opKillWordLeft), press(opKillWordLeft), press(opYank)}, "a b c|"},
		{"kills add up forwards", "|a b c", []key{press(opKillWordRight), press(opKillWordRight), press(opLineEnd), press(opYank)}, " ca b|"},
		{"kill a word to white space", "a/b c.d|", []key{press(opKillWordLeft)}, "a/b |"},
		{"kill a part of a word", "a/b c.d|", []key{press(opKillPartLeft)}, "a/b c.|"},
		{"kill at the start", "|a", []key{press(opKillWordLeft), press(opKillPartLeft), press(opKillLineStart)}, "|a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := at(tt.from)
			for _, k := range tt.keys {
				got.edit(k)
			}
			if got.String() != tt.want {
				t.Errorf("%q, want %q", got.String(), tt.want)
			}
		})
	}
}

func TestMessageOf(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		ok         bool
	}{
		{"hi", "hi", true},
		{"", "", true},
		{"  indented\n", "  indented\n", true},
		{`a \`, `a \`, false},
		{"a \\\nb", "a \\\nb", true},
		{`"""`, "", false},
		{`"""a`, "a", false},
		{`"""a"""`, "a", true},
		{"\"\"\"\na\n b\n\"\"\"\n", "a\n b", true},
		{`""""""`, "", true},
		{`"quoted"`, `"quoted"`, true},
		{`say """x"""`, `say """x"""`, true},
	} {
		if got, ok := messageOf(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %v", tt.text, got, ok)
		}
	}
}

// Whatever is done, the cursor stands between two clusters of valid text.
func FuzzEdit(f *testing.F) {
	f.Add("a"+family+"e\u0301"+flag+"한\tx\n❤️", []byte{6, 12, 20, 1, 6, 13, 7, 10, 11, 18, 19, 21, 22})
	f.Fuzz(func(t *testing.T, s string, ops []byte) {
		pieces := []rune(clean([]byte(s)))
		var x text
		for i, o := range ops {
			k := key{op: op(o) % (opSuspend + 1)}
			if k.op == opInsert || k.op == opPaste {
				if len(pieces) == 0 {
					continue
				}
				k.text = string(pieces[i%len(pieces)])
			}
			x.edit(k)
			if !utf8.ValidString(x.s) {
				t.Fatalf("%q", x)
			}
			if begin, end := x.cluster(x.at); begin != end && k.op != opBackspace && k.op != opDelete && k.op < opKillWordLeft {
				t.Fatalf("after %d the cursor is within a cluster: %q", k.op, x)
			}
			locate("> ", ". ", &x, 10, 1, 3)
		}
	})
}
