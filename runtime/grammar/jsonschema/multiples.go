package jsonschema

import (
	"math/big"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// multiple is what numbers are multiples of: step units of a decimal place; step 0: anything.
type multiple struct {
	step     int
	decimals int    // digits after the point
	at       *value // where a schema says so
}

// maxStep bounds the step: the automaton of multiples has up to so many states for each digit. It takes so much of the work that a schema may be.
const maxStep, stepWork = 1000, 100

// multipleOf returns what a keyword says.
func multipleOf(v *value) (multiple, bool) {
	r, _ := number(v.text)
	if r.Sign() <= 0 {
		return multiple{}, false
	}
	ten := big.NewRat(10, 1)
	for n := 0; n <= maxFraction; n++ {
		if r.IsInt() {
			return multiple{int(r.Num().Int64()), n, v}, r.Num().IsInt64() && r.Num().Int64() <= maxStep
		}
		r = new(big.Rat).Mul(r, ten)
	}
	return multiple{}, false
}

// and returns what numbers are multiples of that are multiples of both.
func (m multiple) and(o multiple) (multiple, error) {
	if m.step == 0 {
		return o, nil
	}
	decimals := max(m.decimals, o.decimals)
	a, b := m.units(decimals), o.units(decimals)
	both := new(big.Int).Mul(a, new(big.Int).Div(b, new(big.Int).GCD(nil, nil, a, b)))
	for ten, rest := big.NewInt(10), new(big.Int); decimals > 0; decimals-- {
		tenth, _ := new(big.Int).QuoRem(both, ten, rest)
		if rest.Sign() != 0 {
			break
		}
		both = tenth
	}
	if both.Cmp(big.NewInt(maxStep)) > 0 {
		return m, errorf(o.at, "numbers that are multiples of this and of others are not supported")
	}
	m.step, m.decimals = int(both.Int64()), decimals
	return m, nil
}

// units returns the step in units of that decimal place, which is m's or a later one.
func (m multiple) units(decimals int) *big.Int {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals-m.decimals)), nil)
	return scale.Mul(scale, big.NewInt(int64(m.step)))
}

func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// integers returns what integers are multiples of that are multiples of m.
func (m multiple) integers() multiple {
	for ; m.decimals > 0; m.decimals-- {
		m.step /= gcd(m.step, 10)
	}
	return m
}

// has reports whether a number is a multiple.
func (m multiple) has(r *big.Rat) bool {
	if m.step == 0 {
		return true
	}
	of := new(big.Rat).SetFrac(big.NewInt(int64(m.step)), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(m.decimals)), nil))
	return new(big.Rat).Quo(r, of).IsInt()
}

// remainder is a state of the automaton of multiples: the remainder of the digits so far, as an integer; how many of them are after the point, −1
// without one; and whether a digit may come.
type remainder struct {
	rest, decimals int
	full           bool // it is 0, or what the point follows
	empty          bool // no digit has come
	point          bool // the last character is the point
}

// automaton returns the magnitudes of multiples: digits, and a point with at most as many behind it as there may be.
func (m multiple) automaton() *automaton.DFA {
	d := &automaton.DFA{}
	var states automaton.Numbering[remainder]
	states.Of(remainder{decimals: -1, empty: true})
	for i := 0; i < len(states.Keys); i++ {
		r := states.Keys[i]
		rest := r.rest // with the zeros that are missing
		for range m.decimals - max(r.decimals, 0) {
			rest = rest * 10 % m.step
		}
		s := automaton.State{Final: !r.empty && !r.point && rest == 0}
		if !r.empty && r.decimals < 0 && m.decimals > 0 {
			s.Edges = append(s.Edges, automaton.Edge{Range: automaton.Range{Lo: '.', Hi: '.'}, Next: states.Of(remainder{rest: r.rest, decimals: 0, point: true})})
		}
		for c := 0; c <= 9 && !r.full && r.decimals < m.decimals; c++ {
			next := remainder{rest: (r.rest*10 + c) % m.step, decimals: r.decimals, full: r.empty && c == 0}
			if r.decimals >= 0 {
				next.decimals++
			}
			s.Edges = append(s.Edges, automaton.Edge{Range: automaton.Range{Lo: '0' + rune(c), Hi: '0' + rune(c)}, Next: states.Of(next)})
		}
		d.States = append(d.States, s)
	}
	return d.Minimize()
}

// signed returns the grammar of magnitudes with a sign or without, of at most so many characters as numbers without a bound have digits.
func signed(in *automaton.DFA) (*grammar.Grammar, error) {
	short, err := automaton.Length(1, maxDigits)
	if err != nil {
		return nil, err
	}
	all, err := automaton.Intersect(in, short)
	if err != nil {
		return nil, err
	}
	negative, err := automaton.Subtract(all, automaton.Words("0"))
	if err != nil {
		return nil, err
	}
	return grammar.Choice(grammar.FromDFA(all, grammar.Class),
		grammar.Sequence(grammar.Literal("-"), grammar.FromDFA(negative, grammar.Class))), nil
}

// wrap says where it is that an automaton is too large.
func (m multiple) wrap(err error) error {
	if err != nil && m.at != nil {
		return errorf(m.at, "multipleOf %.40s is not supported with such bounds: %v", m.at.text, err)
	}
	return err
}
