package editor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	prettytext "github.com/jedib0t/go-pretty/v6/text"
	"github.com/rivo/uniseg"
)

// vt is a terminal: as much of one as the editor uses. It fails the test on what it does not know.
type vt struct {
	t       testing.TB
	mu      sync.Mutex
	w, h    int
	cells   [][]string // "": the right half of a wide character
	history []string   // rows that scrolled away
	x, y    int
	pending bool // the last column was written
	noWrap  bool
	perRune bool // as terminals that know no grapheme clusters
	paste   bool // bracketed paste is on
	rest    []byte
}

func newVT(t testing.TB, w, h int) *vt {
	v := &vt{t: t, w: w, h: h}
	for range h {
		v.cells = append(v.cells, blank(w))
	}
	return v
}

func blank(n int) []string {
	row := make([]string, n)
	for i := range row {
		row[i] = " "
	}
	return row
}

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := string(append(v.rest, p...))
	v.rest = nil
	for s != "" {
		switch c := s[0]; {
		case c == '\x1b':
			i := strings.IndexFunc(s[min(2, len(s)):], func(r rune) bool { return r >= 0x40 })
			if i < 0 {
				v.rest = []byte(s)
				return len(p), nil
			}
			v.sequence(s[2:2+i], s[2+i])
			s = s[3+i:]
		case c == '\r':
			v.x, v.pending = 0, false
			s = s[1:]
		case c == '\n':
			v.down()
			s = s[1:]
		case c == '\t':
			v.x = min(v.w-1, v.x/8*8+8)
			s = s[1:]
		case c < ' ' || c == 0x7f:
			v.t.Errorf("control character %#x", c)
			s = s[1:]
		default:
			if !utf8.FullRuneInString(s) {
				v.rest = []byte(s)
				return len(p), nil
			}
			n := 0
			if v.perRune {
				r, k := utf8.DecodeRuneInString(s)
				v.put(s[:k], prettytext.RuneWidth(r))
				n = k
			} else {
				cluster, _, w, _ := uniseg.FirstGraphemeClusterInString(s, -1)
				v.put(cluster, w)
				n = len(cluster)
			}
			s = s[n:]
		}
	}
	return len(p), nil
}

func (v *vt) down() {
	v.pending = false
	if v.y < v.h-1 {
		v.y++
		return
	}
	v.history = append(v.history, strings.TrimRight(strings.Join(v.cells[0], ""), " "))
	v.cells = append(v.cells[1:], blank(v.w))
}

func (v *vt) put(s string, w int) {
	if w == 0 {
		if v.x > 0 && !v.pending {
			v.cells[v.y][v.x-1] += s
		} else if v.pending {
			v.cells[v.y][v.w-1] += s
		}
		return
	}
	if v.pending || v.x+w > v.w {
		if v.noWrap {
			v.x = max(0, v.w-w)
		} else {
			v.x = 0
			v.down()
		}
	}
	for i := range w {
		v.cells[v.y][v.x+i] = ""
	}
	v.cells[v.y][v.x] = s
	if v.x += w; v.x == v.w {
		v.x, v.pending = v.w-1, true
	}
}

func (v *vt) sequence(params string, final byte) {
	n := 1
	fmt.Sscanf(params, "%d", &n)
	v.pending = false
	switch {
	case final == 'A':
		v.y = max(0, v.y-n)
	case final == 'C':
		v.x = min(v.w-1, v.x+n)
	case final == 'G':
		v.x = min(v.w, n) - 1
	case final == 'H' && params == "":
		v.x, v.y = 0, 0
	case final == 'J' && params == "2":
		for i := range v.cells {
			v.cells[i] = blank(v.w)
		}
	case final == 'J' && params == "":
		copy(v.cells[v.y][v.x:], blank(v.w))
		for i := v.y + 1; i < v.h; i++ {
			v.cells[i] = blank(v.w)
		}
	case final == 'K' && params == "":
		copy(v.cells[v.y][v.x:], blank(v.w))
	case params == "?7":
		v.noWrap = final == 'l'
	case params == "?2004":
		v.paste = final == 'h'
	case params == "?25":
	default:
		v.t.Errorf("sequence ESC [ %s %c", params, final)
	}
}

// rows returns what is shown, with | before the cursor if it is asked for, without empty rows at the end.
func (v *vt) rows(cursor bool) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := make([]string, v.h)
	for i, r := range v.cells {
		if cursor && i == v.y {
			rows[i] = strings.Join(r[:v.x], "") + "|" + strings.TrimRight(strings.Join(r[v.x:], ""), " ")
		} else {
			rows[i] = strings.TrimRight(strings.Join(r, ""), " ")
		}
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	return rows
}

func (v *vt) String() string { return strings.Join(v.rows(true), "\n") }

func TestScreen(t *testing.T) {
	const long = "0123456789abcdefghijklmn"
	for _, tt := range []struct {
		name, text string
		want       string
	}{
		{"empty", "|", ">>> |"},
		{"a line", "hello|", ">>> hello|"},
		{"lines", "a\nb|c\nd", ">>> a\n... b|c\n... d"},
		{"wrapping", long + "|", ">>> 0123456789ab\ncdefghijklmn|"},
		{"a full row", "0123456789ab|", ">>> 0123456789ab\n|"},
		{"a full row before a line break", "0123456789ab\n|", ">>> 0123456789ab\n\n... |"},
		{"wide characters", "한글한글|글", ">>> 한글한글|글"},
		{"a wide character that does not fit", "0123456789a|한", ">>> 0123456789a\n|한"},
		{"a family", family + "|x", ">>> " + family + "|x"},
		{"flags", flag + flag + "|", ">>> " + flag + flag + "|"},
		{"marks", "e\u0301|x", ">>> e\u0301|x"},
		{"tabs", "a\tb\t|", ">>> a       b\n|"},
		{"tabs in the second line", "\n\tx|", ">>>\n...         x|"},
		{"control characters", "a\x1b[31mb\u009b\u202e|", ">>> a^[[31mb\n<U+009B><U+202E>\n|"},
		{"more than fits", "1\n2\n3\n4\n5\n6|", "... 2\n... 3\n... 4\n... 5\n... 6|"},
		{"more than fits, at the top", "1|\n2\n3\n4\n5\n6", ">>> 1|\n... 2\n... 3\n... 4\n... 5"},
	} {
		for _, perRune := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/perRune=%v", tt.name, perRune), func(t *testing.T) {
				v := newVT(t, 16, 5)
				v.perRune = perRune
				s := screen{out: v}
				s.resize(16, 5)
				x := at(tt.text)
				s.draw(lay(">>> ", "... ", &x, 16))
				got := v.String()
				if perRune && strings.Contains(tt.text, "\u200d") { // the rest of the family is under the x
					if !strings.HasSuffix(got, "|x👩👧👦") && !strings.Contains(got, "|x") {
						t.Errorf("%q", got)
					}
					return
				}
				if got != tt.want {
					t.Errorf("\n%s\nwant\n%s", got, tt.want)
				}
			})
		}
	}
}

// However a text changes, what is on the screen then is what a new screen would show.
func TestScreenChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", " ", "한", family, flag, "e\u0301", "\t", "\n", "\x1b", "word word "}
	ops := []op{opLeft, opRight, opBackspace, opDelete, opLineStart, opLineEnd, opTextStart, opTextEnd, opWordLeft, opKillWordLeft, opKillLineEnd, opYank}
	const w, h = 13, 6
	v := newVT(t, w, h)
	s := screen{out: v}
	s.resize(w, h)
	var x text
	for i := range 3000 {
		if rng.IntN(2) == 0 {
			x.edit(key{opInsert, pieces[rng.IntN(len(pieces))]})
		} else {
			x.edit(key{op: ops[rng.IntN(len(ops))]})
		}
		l := lay("> ", ". ", &x, w)
		s.draw(l)
		fresh := newVT(t, w, h)
		f := screen{out: fresh, top: s.top}
		f.resize(w, h)
		f.draw(l)
		if v.String() != fresh.String() {
			t.Fatalf("change %d: %q:\n%s\nwant\n%s", i, x, v, fresh)
		}
		if rng.IntN(200) == 0 {
			s.finish(l)
			x = text{}
			v = newVT(t, w, h)
			s.out = v
		}
	}
}

func TestScreenFinish(t *testing.T) {
	v := newVT(t, 16, 4)
	s := screen{out: v}
	s.resize(16, 4)
	x := at("1\n2|\n3")
	s.draw(lay("> ", ". ", &x, 16))
	s.finish(lay("> ", ". ", &x, 16))
	fmt.Fprint(s.out, "answer\r\n")
	if got := strings.Join(append(v.history, v.String()), "\n"); got != "> 1\n. 2\n. 3\nanswer\n|" {
		t.Errorf("\n%s", got)
	}
	// What was taller than the screen is there as a whole.
	x = at("a\nb\nc\nd\ne|\nf")
	s.draw(lay("> ", ". ", &x, 16))
	s.finish(lay("> ", ". ", &x, 16))
	if got := strings.Join(append(v.history, v.String()), "\n"); !strings.HasSuffix(got, "> a\n. b\n. c\n. d\n. e\n. f\n|") {
		t.Errorf("\n%s", got)
	}
}

func TestLocate(t *testing.T) {
	x := at("abcdef\nxy\n한글|")
	for _, tt := range []struct{ row, col, want int }{
		{0, 4, 2}, {0, 99, 6}, {1, 5, 9}, {2, 2, 10}, {2, 3, 10}, {2, 4, 13}, {2, 0, 10},
	} {
		if got := locate("> ", ". ", &x, 40, tt.row, tt.col); got != tt.want {
			t.Errorf("row %d, column %d: %d, want %d", tt.row, tt.col, got, tt.want)
		}
	}
}

func BenchmarkLay(b *testing.B) {
	for name, word := range map[string]string{"ascii": "word ", "hangul": "한글"} {
		b.Run(name, func(b *testing.B) {
			x := text{s: strings.Repeat(word, 100_000/utf8.RuneCountInString(word))}
			for b.Loop() {
				lay("> ", ". ", &x, 80)
			}
		})
	}
}
