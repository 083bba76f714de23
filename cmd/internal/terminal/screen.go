package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Screen says how results look: how wide they may be, in characters, and whether in colour.
type Screen struct {
	Width int
	Color bool
	Whole bool // texts are not cut where they reach the width: no terminal ends there
}

// PipeWidth is the width that output is laid out for which does not go to a terminal. Texts are not cut there.
const PipeWidth = 100

// ScreenOf returns the screen that w shows its output on. What is not a terminal is PipeWidth wide, but cuts no text, and has no colours.
func ScreenOf(w io.Writer) Screen {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return newScreen(false, 0, os.Getenv)
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return newScreen(true, width, os.Getenv)
}

// newScreen decides by the environment: NO_COLOR (no-color.org) and TERM. A width of 0 is unknown.
func newScreen(terminal bool, width int, getenv func(string) string) Screen {
	if !terminal || width <= 0 {
		width = PipeWidth
	}
	return Screen{Width: width, Color: terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb", Whole: !terminal}
}

// Color is what a text is painted with.
type Color = text.Colors

// What colours are for.
var (
	Strong  = Color{text.Bold}
	Faint   = Color{text.Faint}
	Good    = Color{text.FgGreen}
	Warning = Color{text.FgYellow}
	Bad     = Color{text.FgRed}
	BarFill = Color{text.FgCyan}
)

// Paint gives text a colour.
func (s Screen) Paint(c Color, t string) string {
	if !s.Color || t == "" {
		return t
	}
	return c.EscapeSeq() + t + text.Reset.EscapeSeq()
}

// Wrap breaks a text at its spaces into lines of at most width characters; lines of less than 20 are not made.
func Wrap(t string, width int) []string {
	lines := strings.Split(text.WrapSoft(t, max(20, width)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// Snip shortens a text to width characters.
func Snip(t string, width int) string { return text.Snip(t, width, "…") }

// Fit shortens a text to width characters, unless texts stay whole.
func (s Screen) Fit(t string, width int) string {
	if s.Whole {
		return t
	}
	return Snip(t, width)
}

// Fact is a name and a value.
type Fact struct{ Name, Value string }

// Facts prints names and values in two columns. Long values continue in the next line; control characters are shown.
func (s Screen) Facts(w io.Writer, facts ...Fact) {
	names := 0
	for _, f := range facts {
		names = max(names, len(f.Name))
	}
	for _, f := range facts {
		name := f.Name
		for _, line := range Wrap(Printable(f.Value), s.Width-names-2) {
			fmt.Fprintln(w, s.Paint(Faint, name)+strings.Repeat(" ", names+2-len(name))+line)
			name = ""
		}
	}
}
