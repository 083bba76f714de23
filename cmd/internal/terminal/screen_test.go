package terminal

import "testing"

func TestNewScreen(t *testing.T) {
	for _, tt := range []struct {
		terminal bool
		width    int
		env      map[string]string
		want     Screen
	}{
		{true, 132, map[string]string{"TERM": "xterm"}, Screen{132, true, false}},
		{true, 132, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, Screen{132, false, false}},
		{true, 80, map[string]string{"TERM": "dumb"}, Screen{80, false, false}},
		{true, 0, nil, Screen{100, true, false}}, // a terminal that does not tell its width
		{false, 0, map[string]string{"TERM": "xterm"}, Screen{100, false, true}},
	} {
		if got := newScreen(tt.terminal, tt.width, func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// A terminal's edge cuts a text; a pipe has none.
func TestFit(t *testing.T) {
	for _, tt := range []struct {
		whole bool
		want  string
	}{{false, "layers ar…"}, {true, "layers are read"}} {
		if got := (Screen{Width: 10, Whole: tt.whole}).Fit("layers are read", 10); got != tt.want {
			t.Errorf("whole %v: %q, want %q", tt.whole, got, tt.want)
		}
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "", 0.0001: "▏", 0.5: "██", 0.59375: "██▍", 1: "████"} {
		if got := Bar(share, 4); got != want {
			t.Errorf("Bar(%g) is %q, want %q", share, got, want)
		}
	}
	if got := (Screen{}).Strip(Between(1, 3), 1, 2, 3); got != "▁▅█" {
		t.Errorf("strip is %q", got)
	}
	if got := (Screen{}).Strip(Between(2, 2), 2, 2); got != "▁▁" {
		t.Errorf("strip of equal values is %q", got)
	}
}

func TestAround(t *testing.T) {
	// An even share of 0.25, its half, its double, and so on.
	frequencies := []float64{0, 0.001, 0.125, 0.177, 0.24, 0.25, 0.354, 0.5, 0.707, 1}
	if got := (Screen{}).Strip(Around(0.25), frequencies...); got != "·▁▂▃▄▄▅▆▇█" {
		t.Errorf("%s", got)
	}
	if got, want := (Screen{Color: true}).Strip(Around(0.25), 0, 1), "·\x1b[38;5;196m█\x1b[0m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
