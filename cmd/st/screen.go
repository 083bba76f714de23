package main

import (
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// screen says how results look: how wide they may be, and whether in colour.
type screen struct {
	width int
	color bool
}

// pipeWidth is the width of what does not go to a terminal.
const pipeWidth = 100

// screen returns how standard output is seen.
func (a *app) screen() screen {
	if f, ok := a.stdout.w.(*os.File); ok && a.outTerminal {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			width = 0
		}
		return newScreen(true, width, os.Getenv)
	}
	return newScreen(false, 0, os.Getenv)
}

// newScreen decides by the environment: NO_COLOR (no-color.org) and TERM. A width of 0 is not known.
func newScreen(terminal bool, width int, getenv func(string) string) screen {
	if !terminal || width <= 0 {
		width = pipeWidth
	}
	return screen{width: width, color: terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// What colours are for.
var (
	colorStrong  = text.Colors{text.Bold}
	colorFaint   = text.Colors{text.Faint}
	colorGood    = text.Colors{text.FgGreen}
	colorWarning = text.Colors{text.FgYellow}
	colorBad     = text.Colors{text.FgRed}
	colorBar     = text.Colors{text.FgCyan}
	colorLow     = text.Colors{text.FgBlue}
)

// paint gives text a colour.
func (s screen) paint(c text.Colors, t string) string {
	if !s.color || t == "" {
		return t
	}
	return c.EscapeSeq() + t + text.Reset.EscapeSeq()
}

// table is newTable for this screen.
func (s screen) table(headings ...string) table.Writer {
	painted := make([]string, len(headings))
	for i, h := range headings {
		name, right := strings.CutPrefix(h, ">")
		painted[i] = s.paint(colorStrong, name)
		if right {
			painted[i] = ">" + painted[i]
		}
	}
	return newTable(painted...)
}

// wrap breaks a text into lines that are at most so wide, where it has spaces.
func wrap(t string, width int) []string {
	lines := strings.Split(text.WrapSoft(t, max(20, width)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// bar draws a share, 0 to 1, as a bar that is at most so many characters long.
func bar(share float64, width int) string {
	eighths := int(share*float64(8*width) + 0.5)
	if share > 0 {
		eighths = max(1, eighths)
	}
	b := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		b += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return b
}

// level draws a value between two others as a block of one of eight heights.
func level(v, least, most float64) (block string, height int) {
	if most > least {
		height = min(7, int(8*(v-least)/(most-least)))
	}
	return string([]rune("▁▂▃▄▅▆▇█")[height]), height
}

// heat draws values as blocks, the lowest and the highest in colours.
func (s screen) heat(values []float64, least, most float64) string {
	var b strings.Builder
	for _, v := range values {
		block, height := level(v, least, most)
		switch height {
		case 0, 1:
			block = s.paint(colorLow, block)
		case 6, 7:
			block = s.paint(colorWarning, block)
		}
		b.WriteString(block)
	}
	return b.String()
}
