package runtime

import "testing"

func TestStopMatcher(t *testing.T) {
	for _, tt := range []struct {
		stops, pieces []string
		want          string
		found         bool
	}{
		{nil, []string{"a", "b"}, "ab", false},
		{[]string{"END"}, []string{"abEND"}, "ab", true},
		{[]string{"END"}, []string{"ab", "E", "N", "D", "x"}, "ab", true},
		{[]string{"END"}, []string{"abE", "NxEN"}, "abENxEN", false},
		{[]string{"END"}, []string{"EENDx"}, "E", true},
		{[]string{"aab"}, []string{"a", "a", "a", "b"}, "a", true},
		{[]string{"abab"}, []string{"aba", "cabab"}, "abac", true},
		{[]string{"bc", "abcd"}, []string{"ab", "c", "d"}, "a", true},
		{[]string{"bc", "abcd"}, []string{"ab", "cd"}, "", true},
		{[]string{"xy", "b"}, []string{"ab xy"}, "a", true},
		{[]string{"é!"}, []string{"né", "!"}, "n", true},
		{[]string{"\n\n"}, []string{"one\n", "two\n", "\nthree"}, "one\ntwo", true},
	} {
		m := newStopMatcher(append(tt.stops, ""))
		got, found := "", false
		for _, p := range tt.pieces {
			var show string
			show, found = m.push(p, false)
			got += show
			if found {
				break
			}
		}
		got += m.flush()
		if got != tt.want || found != tt.found {
			t.Errorf("stops %q, pieces %q: %q %v, want %q %v", tt.stops, tt.pieces, got, found, tt.want, tt.found)
		}
	}
}

// Text that cannot belong to a stop string any more is shown at once.
func TestStopMatcherHoldsLittle(t *testing.T) {
	m := &stopMatcher{stops: []string{"END"}}
	for _, step := range []struct{ piece, show string }{{"abc", "abc"}, {"E", ""}, {"N", ""}, {"N", "ENN"}, {"EE", "E"}} {
		if show, _ := m.push(step.piece, false); show != step.show {
			t.Errorf("after %q: %q is shown, want %q", step.piece, show, step.show)
		}
	}
}

// What is not shown can be a stop text, or a part of one.
func TestStopMatcherHidden(t *testing.T) {
	type piece struct {
		text   string
		hidden bool
	}
	for _, tt := range []struct {
		stop   string
		pieces []piece
		want   string
		found  bool
	}{
		{"<|end|>", []piece{{"abc", false}, {"<|end|>", true}, {"x", false}}, "abc", true},
		{"<|end|>", []piece{{"abc", false}, {"<|other|>", true}, {"x", false}}, "abcx", false},
		{"c<|end|>x", []piece{{"abc", false}, {"<|end|>", true}, {"x", false}}, "ab", true},
		{"c<|end|>x", []piece{{"abc", false}, {"<|end|>", true}, {"y", false}}, "abcy", false},
		{"cx", []piece{{"abc", false}, {"<|end|>", true}, {"x", false}}, "abcx", false}, // the token stands between them
		{"<|end|>", []piece{{"abc<|", false}, {"end|>", false}}, "abc", true},
	} {
		m := newStopMatcher([]string{tt.stop})
		got, found := "", false
		for _, p := range tt.pieces {
			var show string
			if show, found = m.push(p.text, p.hidden); found {
				got += show
				break
			}
			got += show
		}
		if got += m.flush(); got != tt.want || found != tt.found {
			t.Errorf("%q in %v: %q %v, want %q %v", tt.stop, tt.pieces, got, found, tt.want, tt.found)
		}
	}
}
