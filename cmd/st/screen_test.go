package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"st/format"
)

func TestNewScreen(t *testing.T) {
	for _, tt := range []struct {
		terminal bool
		width    int
		env      map[string]string
		want     screen
	}{
		{true, 132, map[string]string{"TERM": "xterm"}, screen{132, true}},
		{true, 132, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, screen{132, false}},
		{true, 80, map[string]string{"TERM": "dumb"}, screen{80, false}},
		{true, 0, nil, screen{100, true}}, // a terminal that does not tell its width
		{false, 0, map[string]string{"TERM": "xterm"}, screen{100, false}},
	} {
		if got := newScreen(tt.terminal, tt.width, func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "", 0.0001: "▏", 0.5: "██", 0.59375: "██▍", 1: "████"} {
		if got := bar(share, 4); got != want {
			t.Errorf("bar(%g) is %q, want %q", share, got, want)
		}
	}
	if got := (screen{}).heat([]float64{1, 2, 3}, 1, 3); got != "▁▅█" {
		t.Errorf("heat is %q", got)
	}
	if got := (screen{}).heat([]float64{2, 2}, 2, 2); got != "▁▁" {
		t.Errorf("heat of equal values is %q", got)
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Output is as wide as the screen at most, and in colour says the same as without.
func TestSummaryOnScreens(t *testing.T) {
	r, err := format.Open(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	report, err := newFileReport(r)
	if err != nil {
		t.Fatal(err)
	}
	report.File = "tiny.stm"
	for _, width := range []int{80, 100, 160} {
		var plain, color bytes.Buffer
		report.print(&plain, screen{width, false})
		report.print(&color, screen{width, true})
		if strings.Contains(plain.String(), "\x1b") || !strings.Contains(color.String(), "\x1b[1m") {
			t.Errorf("colours at width %d:\n%s\n%s", width, plain.String(), color.String())
		}
		if got := escapes.ReplaceAllString(color.String(), ""); got != plain.String() {
			t.Errorf("in colour:\n%s\nwithout:\n%s", got, plain.String())
		}
		lines := strings.Split(strings.TrimSuffix(plain.String(), "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("the summary has %d lines", len(lines))
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > width || strings.HasSuffix(line, " ") {
				t.Errorf("at width %d: %q", width, line)
			}
		}
	}
}
