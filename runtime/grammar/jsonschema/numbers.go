package jsonschema

import (
	"math"
	"math/big"
	"strings"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// interval is the numbers that schemas allow.
type interval struct {
	low, high         *big.Rat // nil: no bound
	openLow, openHigh bool     // without the bound itself
	multiple          multiple
	whole             bool // by a format of integers
}

// Numbers that have no bound have so many digits at most: every reader gets integers of 15 digits right, and no number is infinite.
const (
	maxDigits   = 15
	maxFraction = 16
	boundDigits = 40 // before the point, with a bound of so many
)

// integerFormats are the ranges of formats of integers, as OpenAPI and generators of other languages name them.
var integerFormats = map[string]struct {
	low  int64
	high uint64
}{
	"int8": {math.MinInt8, math.MaxInt8}, "int16": {math.MinInt16, math.MaxInt16}, "int32": {math.MinInt32, math.MaxInt32}, "int64": {math.MinInt64, math.MaxInt64},
	"uint8": {0, math.MaxUint8}, "uint16": {0, math.MaxUint16}, "uint32": {0, math.MaxUint32}, "uint64": {0, math.MaxUint64},
	"int": {math.MinInt64, math.MaxInt64}, "uint": {0, math.MaxUint64},
}

// add adds what a schema says.
func (n *interval) add(at *value) error {
	for _, k := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		v := at.get(k)
		if v == nil || v.kind != isNumber {
			continue
		}
		r, _ := number(v.text)
		open := strings.HasPrefix(k, "exclusive")
		if strings.HasSuffix(strings.ToLower(k), "minimum") {
			if e := at.get("exclusiveMinimum"); e != nil && e.kind == isTrue {
				open = true
			}
			n.above(r, open)
		} else {
			if e := at.get("exclusiveMaximum"); e != nil && e.kind == isTrue {
				open = true
			}
			n.below(r, open)
		}
	}
	if v := at.get("multipleOf"); v != nil {
		m, _ := multipleOf(v)
		m, err := n.multiple.and(m)
		if err != nil {
			return err
		}
		n.multiple = m
	}
	if f := at.get("format"); f != nil {
		if r, ok := integerFormats[f.text]; ok {
			n.whole = true
			n.above(new(big.Rat).SetInt64(r.low), false)
			n.below(new(big.Rat).SetFrac(new(big.Int).SetUint64(r.high), big.NewInt(1)), false)
		}
	}
	return nil
}

func (n *interval) above(r *big.Rat, open bool) {
	if n.low == nil || r.Cmp(n.low) > 0 || r.Cmp(n.low) == 0 && open {
		n.low, n.openLow = r, open
	}
}

func (n *interval) below(r *big.Rat, open bool) {
	if n.high == nil || r.Cmp(n.high) < 0 || r.Cmp(n.high) == 0 && open {
		n.high, n.openHigh = r, open
	}
}

// grammar returns the grammar of the numbers: integers, or with fractions, too. alike: equal ones are written alike.
func (n *interval) grammar(fractions, alike bool) (*grammar.Grammar, error) {
	n, fraction := n.clear()
	m := n.multiple
	if m.step > 0 {
		fraction = m.decimals
	}
	if !fractions {
		fraction, m = 0, m.integers()
	}
	in, err := magnitudesOf(m, fraction > 0, alike)
	if err != nil {
		return nil, m.wrap(err)
	}
	switch bounded := n.low != nil || n.high != nil; {
	case in != nil && !bounded:
		g, err := signed(in)
		return g, m.wrap(err)
	case !bounded:
		return unbounded(fraction, fractions && m.step == 0), nil
	}
	g, err := n.magnitudes(fraction, in)
	return g, m.wrap(err)
}

// magnitudesOf returns the magnitudes of multiples, perhaps those in which equal ones are alike; nil: any.
func magnitudesOf(m multiple, fractions, alike bool) (*automaton.DFA, error) {
	switch {
	case m.step > 1 && alike:
		return automaton.Intersect(m.automaton(), shortest(fractions))
	case m.step > 1:
		return m.automaton(), nil
	case alike:
		return shortest(fractions), nil
	}
	return nil, nil
}

// clear returns the numbers that are clear of a bound that is not allowed itself, and how many digits they may have after the point for that: most readers
// compare floating-point numbers, and a number that is too near has that of the bound. From 2⁵² on the next floating-point number takes its place.
func (n interval) clear() (*interval, int) {
	digits := maxFraction
	for _, b := range []struct {
		at     **big.Rat
		open   *bool
		beyond float64
	}{{&n.low, &n.openLow, math.Inf(1)}, {&n.high, &n.openHigh, math.Inf(-1)}} {
		if !*b.open || (*b.at).Sign() == 0 {
			continue
		}
		f, _ := (*b.at).Float64()
		next := math.Nextafter(f, b.beyond)
		if math.Abs(f) >= 1<<52 && !math.IsInf(next, 0) {
			*b.at, *b.open = new(big.Rat).SetFloat64(next), false
			continue
		}
		digits = min(digits, int(-math.Log10(math.Abs(next-f))))
	}
	return &n, max(1, digits)
}

// magnitudes returns the grammar of numbers with a bound, with so many digits after the point, whose magnitudes are in an automaton; nil: in any.
func (n *interval) magnitudes(fraction int, in *automaton.DFA) (*grammar.Grammar, error) {
	var parts []*grammar.Grammar
	zero := new(big.Rat)
	// Numbers of 0 and more, and then the others by their magnitudes.
	low, open := zero, false
	if n.low != nil && n.low.Sign() >= 0 {
		low, open = n.low, n.openLow
	}
	if n.high == nil || n.high.Sign() >= 0 {
		g, err := magnitudes(low, open, n.high, n.openHigh, fraction, in)
		if err != nil {
			return nil, err
		}
		parts = append(parts, g)
	}
	if n.low == nil || n.low.Sign() < 0 {
		least, open := zero, true
		if n.high != nil && n.high.Sign() < 0 {
			least, open = new(big.Rat).Neg(n.high), n.openHigh
		}
		var most *big.Rat
		if n.low != nil {
			most = new(big.Rat).Neg(n.low)
		}
		g, err := magnitudes(least, open, most, n.openLow, fraction, in)
		if err != nil {
			return nil, err
		}
		parts = append(parts, grammar.Sequence(grammar.Literal("-"), g))
	}
	return grammar.Choice(parts...), nil
}

func digits(least, most int) *grammar.Grammar {
	return grammar.Repeat(grammar.Class(automaton.NewSet('0', '9')), least, most)
}

// unbounded returns the grammar of all numbers with so many digits after the point.
func unbounded(fraction int, exponent bool) *grammar.Grammar {
	natural := grammar.Sequence(grammar.Class(automaton.NewSet('1', '9')), digits(0, maxDigits-1))
	if fraction == 0 {
		return grammar.Choice(grammar.Literal("0"), grammar.Sequence(grammar.Optional(grammar.Literal("-")), natural))
	}
	parts := []*grammar.Grammar{
		grammar.Optional(grammar.Literal("-")), grammar.Choice(grammar.Literal("0"), natural),
		grammar.Optional(grammar.Sequence(grammar.Literal("."), digits(1, fraction))),
	}
	if exponent {
		sign := grammar.Optional(grammar.Class(automaton.NewSet('+', '+', '-', '-')))
		parts = append(parts, grammar.Optional(grammar.Sequence(grammar.Class(automaton.NewSet('e', 'e', 'E', 'E')), sign, digits(1, 2))))
	}
	return grammar.Sequence(parts...)
}

// decimal is a number as its digits before and after the point.
type decimal struct{ whole, fraction string }

// cut returns a number cut off after so many digits, and whether that is all of it.
func cut(r *big.Rat, fraction int) (d decimal, exact bool) {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(fraction)), nil)
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(scale))
	q, rest := new(big.Int).QuoRem(scaled.Num(), scaled.Denom(), new(big.Int))
	text := q.String()
	for len(text) <= fraction {
		text = "0" + text
	}
	n := len(text) - fraction
	return decimal{text[:n], text[n:]}, rest.Sign() == 0
}

// magnitudes returns the grammar of numbers from low, which is not negative, to high; nil: there is no bound.
func magnitudes(low *big.Rat, openLow bool, high *big.Rat, openHigh bool, fraction int, in *automaton.DFA) (*grammar.Grammar, error) {
	lo, exact := cut(low, fraction)
	openLow = openLow || !exact // what is cut off is below
	if lo.whole != "0" && len(lo.whole) > maxDigits+300 {
		return grammar.Choice(), nil
	}
	most := max(maxDigits, len(lo.whole)+1)
	hi := decimal{strings.Repeat("9", most), strings.Repeat("9", fraction)}
	if high != nil && high.Sign() >= 0 {
		h, exact := cut(high, fraction)
		if len(h.whole) <= max(most, boundDigits) {
			hi, openHigh = h, openHigh && exact
		} else {
			openHigh = false
		}
	} else {
		openHigh = false
	}
	var parts []*grammar.Grammar
	for n := len(lo.whole); n <= len(hi.whole); n++ {
		b := &between{fraction: fraction, digits: n, openLow: openLow, openHigh: openHigh}
		if n == len(lo.whole) {
			b.low = lo.whole + lo.fraction
		}
		if n == len(hi.whole) {
			b.high = hi.whole + hi.fraction
		}
		d := b.build()
		if in != nil {
			var err error
			if d, err = automaton.Intersect(d, in); err != nil {
				return nil, err
			}
		}
		parts = append(parts, grammar.FromDFA(d, grammar.Class))
	}
	return grammar.Choice(parts...), nil
}

// between builds the automaton of numbers with so many digits before the point, from low to high: their digits, or none where there is no bound.
type between struct {
	digits, fraction  int
	low, high         string
	openLow, openHigh bool
}

// place is a state of it: how many digits have come, whether they are those of the bounds, and whether the last character was the point.
type place struct {
	at            int
	atLow, atHigh bool
	point         bool
}

func (b *between) build() *automaton.DFA {
	d := &automaton.DFA{}
	var places automaton.Numbering[place]
	places.Of(place{atLow: b.low != "", atHigh: b.high != ""})
	for i := 0; i < len(places.Keys); i++ {
		p := places.Keys[i]
		s := automaton.State{Final: b.final(p)}
		if p.at == b.digits && !p.point && b.fraction > 0 {
			next := p
			next.point = true
			s.Edges = append(s.Edges, automaton.Edge{Range: automaton.Range{Lo: '.', Hi: '.'}, Next: places.Of(next)})
		}
		if p.at < b.digits || p.point || p.at > b.digits {
			for c := rune('0'); c <= '9'; c++ {
				if next, ok := b.digit(p, byte(c)); ok {
					s.Edges = append(s.Edges, automaton.Edge{Range: automaton.Range{Lo: c, Hi: c}, Next: places.Of(next)})
				}
			}
		}
		d.States = append(d.States, s)
	}
	return d
}

// digit returns the place after a digit.
func (b *between) digit(p place, c byte) (place, bool) {
	if p.at == b.digits+b.fraction || p.at == 0 && c == '0' && b.digits > 1 {
		return p, false
	}
	if p.atLow {
		if c < b.low[p.at] {
			return p, false
		}
		p.atLow = c == b.low[p.at]
	}
	if p.atHigh {
		if c > b.high[p.at] {
			return p, false
		}
		p.atHigh = c == b.high[p.at]
	}
	p.at++
	p.point = false
	return p, true
}

// final reports whether a number may end at a place: what is missing are zeros.
func (b *between) final(p place) bool {
	if p.at < b.digits || p.point {
		return false
	}
	zeros := func(bound string) bool { return strings.Trim(bound[p.at:], "0") == "" }
	if p.atLow && (!zeros(b.low) || b.openLow) {
		return false
	}
	return !p.atHigh || !zeros(b.high) || !b.openHigh
}
