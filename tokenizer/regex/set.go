package regex

import (
	"slices"
	"unicode"
)

// set is a set of characters: pairs of first and last, sorted, apart.
type set []rune

func table(t *unicode.RangeTable) set {
	var s set
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, lo, hi)
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, r, r)
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return s
}

// union returns the union of sets, whose pairs may be in any order.
func union(sets ...set) set {
	var pairs [][2]rune
	for _, s := range sets {
		for i := 0; i < len(s); i += 2 {
			pairs = append(pairs, [2]rune{s[i], s[i+1]})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0]) - int(b[0]) })
	out := set{}
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
		} else {
			out = append(out, p[0], p[1])
		}
	}
	return out
}

// single tells whether s is one character.
func (s set) single() bool { return len(s) == 2 && s[0] == s[1] }

func (s set) negate() set {
	out := set{}
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if next < s[i] {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s set) intersect(t set) set { return union(s.negate(), t.negate()).negate() }

func (s set) minus(t set) set { return s.intersect(t.negate()) }

// contains is for building; matchers are for matching.
func (s set) contains(r rune) bool {
	i, _ := slices.BinarySearchFunc(s, r, func(x, r rune) int { return int(x) - int(r) })
	return i < len(s) && (i%2 == 1 || s[i] == r)
}

// fold adds the characters that differ in case alone.
func (s set) fold() set {
	out := slices.Clone(s)
	for i := 0; i < len(s); i += 2 {
		if s[i+1]-s[i] > 0x3000 { // what has case is added by the loop below
			continue
		}
		for r := s[i]; r <= s[i+1]; r++ {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				out = append(out, f, f)
			}
		}
	}
	if slices.ContainsFunc(pairsOf(s), func(p [2]rune) bool { return p[1]-p[0] > 0x3000 }) {
		for r := range rune(0x1F000) {
			if f := unicode.SimpleFold(r); f != r && s.contains(r) {
				for ; f != r; f = unicode.SimpleFold(f) {
					out = append(out, f, f)
				}
			}
		}
	}
	return union(out)
}

func pairsOf(s set) [][2]rune {
	var pairs [][2]rune
	for i := 0; i < len(s); i += 2 {
		pairs = append(pairs, [2]rune{s[i], s[i+1]})
	}
	return pairs
}

// matcher answers whether a character is in a set, fast.
type matcher struct {
	ascii [2]uint64
	bmp   []uint64 // a bit for each character below 0x10000; nil for small sets
	pairs set
}

func newMatcher(s set) *matcher {
	m := &matcher{pairs: s}
	for i := 0; i < len(s); i += 2 {
		for r := s[i]; r <= min(s[i+1], 127); r++ {
			m.ascii[r>>6] |= 1 << (r & 63)
		}
	}
	if len(s) > 16 {
		m.bmp = make([]uint64, 0x10000/64)
		for i := 0; i < len(s); i += 2 {
			for r := s[i]; r <= min(s[i+1], 0xFFFF); r++ {
				m.bmp[r>>6] |= 1 << (r & 63)
			}
		}
	}
	return m
}

func (m *matcher) has(r rune) bool {
	switch {
	case r < 128:
		return m.ascii[r>>6]&(1<<(r&63)) != 0
	case r < 0x10000 && m.bmp != nil:
		return m.bmp[r>>6]&(1<<(r&63)) != 0
	}
	return m.pairs.contains(r)
}
