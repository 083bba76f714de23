package automaton

import (
	"slices"
	"unicode"
)

// Range is the characters from Lo to Hi.
type Range struct{ Lo, Hi rune }

// Set is a set of characters: ranges in ascending order, with gaps between them. It never holds surrogates, which are no characters.
type Set []Range

// Surrogates are the code points from here to there.
const surrogateMin, surrogateMax = 0xD800, 0xDFFF

// NewSet returns the characters of pairs of the first and the last of each range, in any order.
func NewSet(pairs ...rune) Set {
	s := make(Set, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		s = append(s, Range{pairs[i], pairs[i+1]})
	}
	return s.normal()
}

// All returns every character.
func All() Set { return Set{{0, surrogateMin - 1}, {surrogateMax + 1, unicode.MaxRune}} }

// normal returns the set of ranges that may be in any order, overlap, or hold what is no character.
func (s Set) normal() Set {
	valid := make(Set, 0, len(s))
	for _, r := range s {
		r.Lo, r.Hi = max(r.Lo, 0), min(r.Hi, unicode.MaxRune)
		if r.Lo <= surrogateMax && r.Hi >= surrogateMin {
			valid = append(valid, Range{r.Lo, min(r.Hi, surrogateMin-1)})
			r.Lo = surrogateMax + 1
		}
		valid = append(valid, r)
	}
	slices.SortFunc(valid, func(a, b Range) int { return int(a.Lo - b.Lo) })
	normal := valid[:0]
	for _, r := range valid {
		switch n := len(normal); {
		case r.Lo > r.Hi:
		case n > 0 && r.Lo <= normal[n-1].Hi+1:
			normal[n-1].Hi = max(normal[n-1].Hi, r.Hi)
		default:
			normal = append(normal, r)
		}
	}
	return normal
}

// Negate returns the characters that are not in the set.
func (s Set) Negate() Set {
	out := make(Set, 0, len(s)+1)
	next := rune(0)
	for _, r := range s {
		out = append(out, Range{next, r.Lo - 1})
		next = r.Hi + 1
	}
	return append(out, Range{next, unicode.MaxRune}).normal()
}

// Union returns the characters that are in any of the sets.
func Union(sets ...Set) Set { return slices.Concat(sets...).normal() }

// Intersect returns the characters that are in both sets.
func (s Set) Intersect(t Set) Set {
	var out Set
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if lo, hi := max(s[i].Lo, t[j].Lo), min(s[i].Hi, t[j].Hi); lo <= hi {
			out = append(out, Range{lo, hi})
		}
		if s[i].Hi < t[j].Hi {
			i++
		} else {
			j++
		}
	}
	return out
}

// Has reports whether a character is in the set.
func (s Set) Has(c rune) bool {
	_, found := slices.BinarySearchFunc(s, c, func(r Range, c rune) int {
		switch {
		case r.Hi < c:
			return -1
		case r.Lo > c:
			return 1
		}
		return 0
	})
	return found
}
