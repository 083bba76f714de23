package report

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// What is measured while others use the processors, or comes out differently each time, is measured again, and told if that does not help.
func TestRepeat(t *testing.T) {
	for _, tt := range []struct {
		name     string
		varies   bool
		known    bool
		kept     []float64 // of the attempts
		speeds   []float64
		attempts int
		doubt    string
	}{
		{"alone", false, true, []float64{0.01}, []float64{10}, 1, ""},
		{"the second time alone", false, true, []float64{0.5, 0.01}, []float64{4, 10}, 2, ""},
		{"never alone", false, true, []float64{0.5, 0.4, 0.45}, []float64{4, 5, 4}, 3, "other programs had 40 % of the processors' time while memory was measured"},
		{"varies, and comes out again", true, true, []float64{0, 0}, []float64{10, 9}, 2, ""},
		{"comes out again the third time", true, true, []float64{0, 0, 0}, []float64{10, 5, 9}, 3, ""},
		{"never comes out again", true, true, []float64{0, 0, 0}, []float64{10, 5, 2}, 3, "memory was 5.0 times as fast in one attempt as in another"},
		{"not known, and comes out again", false, false, []float64{0, 0}, []float64{10, 9}, 2, ""},
	} {
		var told []string
		m := &measurement{tell: func(what string, _, _ int64) { told = append(told, what) }}
		n := 0
		m.kept = func() func() (float64, bool) { return func() (float64, bool) { n++; return tt.kept[n-1], tt.known } }
		doubt, err := m.repeat("memory", tt.varies, func() (float64, error) { return tt.speeds[n], nil })
		if doubt != tt.doubt || err != nil || n != tt.attempts || !slices.Equal(told, slices.Repeat([]string{"memory"}, n)) {
			t.Errorf("%s: %q after %d attempts, %v, told %q", tt.name, doubt, n, err, told)
		}
	}
	m := newMeasurement(nil)
	broken := errors.New("broken")
	if doubt, err := m.repeat("memory", true, func() (float64, error) { return 0, broken }); !errors.Is(err, broken) || strings.Contains(doubt, "memory") {
		t.Errorf("%q, %v", doubt, err)
	}
}
