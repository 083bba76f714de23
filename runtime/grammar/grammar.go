package grammar

import (
	"fmt"
	"slices"

	"st/runtime/grammar/automaton"
)

// Grammar is a set of texts. It never changes, so any number of goroutines may use one. The nil Grammar is not valid.
type Grammar struct {
	op       op
	text     string        // opLiteral: its bytes; opToken: the token's text; opDistinct: what stands between two items
	set      automaton.Set // opClass
	parts    []*Grammar    // opSequence, opChoice; opRepeat has one; opDistinct: of the first items, and then of any other
	min, max int           // opRepeat, opDistinct; max may be Unbounded
	rule     *Rule         // opRule
	states   []State       // opMachine
	token    int32         // opToken: an id; -1: the one that is written as text
	negated  bool          // opToken: any token but this
	keyed    bool          // opDistinct: of members
}

type op uint8

const (
	opLiteral op = iota
	opClass
	opSequence
	opChoice
	opRepeat
	opDistinct
	opKey
	opRule
	opMachine
	opToken
)

// Unbounded is the greatest number of a [Repeat] without one.
const Unbounded = -1

// Literal is one text. Bytes that are not valid UTF-8 are allowed.
func Literal(text string) *Grammar { return &Grammar{op: opLiteral, text: text} }

// Class is one character of a set.
func Class(set automaton.Set) *Grammar { return &Grammar{op: opClass, set: set} }

// Sequence is one text of each grammar after the other. Without any it is the empty text.
func Sequence(parts ...*Grammar) *Grammar {
	if len(parts) == 1 {
		return parts[0]
	}
	return &Grammar{op: opSequence, parts: slices.Clone(parts)}
}

// Choice is a text of any of the grammars. Without any there is no text.
func Choice(parts ...*Grammar) *Grammar {
	if len(parts) == 1 {
		return parts[0]
	}
	return &Grammar{op: opChoice, parts: slices.Clone(parts)}
}

// Repeat is min to max texts of a grammar, one after the other; max may be [Unbounded]. It panics if there is no such number.
func Repeat(g *Grammar, min, max int) *Grammar {
	if min < 0 || max < min && max != Unbounded {
		panic(fmt.Sprintf("grammar: %d to %d repetitions", min, max))
	}
	return &Grammar{op: opRepeat, parts: []*Grammar{g}, min: min, max: max}
}

// Distinct is min to max texts of a grammar, none of which is empty and no two of which are the same, with a separator between them; max may be [Unbounded]. The grammar has no
// [Token]. It panics if there is no such number, or no separator.
func Distinct(g *Grammar, separator string, min, max int) *Grammar {
	return DistinctTuple(nil, g, separator, min, max)
}

// DistinctTuple is Distinct with grammars of their own for the first texts.
func DistinctTuple(first []*Grammar, g *Grammar, separator string, min, max int) *Grammar {
	if min < 0 || max < min && max != Unbounded || separator == "" {
		panic(fmt.Sprintf("grammar: %d to %d distinct texts, separated by %q", min, max, separator))
	}
	if max == 0 {
		return Sequence()
	}
	return &Grammar{op: opDistinct, text: separator, parts: append(slices.Clone(first), g), min: min, max: max}
}

// Unordered is one or more members with a separator between them. A member is a text with one [Key] in it, up to which no two are the same. For a
// [Distinct] around them members in another order are the same text. More can always come: where the number of keys is limited, there is no text.
func Unordered(member *Grammar, separator string) *Grammar {
	g := *Distinct(member, separator, 1, Unbounded)
	g.keyed = true
	return &g
}

// Key is the empty text, at the end of what tells a member of an [Unordered] from others.
func Key() *Grammar { return &Grammar{op: opKey} }

// Optional is a text of g, or the empty one.
func Optional(g *Grammar) *Grammar { return Repeat(g, 0, 1) }

// Token is the one token that is written so, such as <|tool_call|>. That may be a special token, which no [Literal] or [Class] allows.
func Token(text string) *Grammar { return &Grammar{op: opToken, text: text, token: -1} }

// NotToken is any one token but the one that is written so, and none that ends a text.
func NotToken(text string) *Grammar {
	return &Grammar{op: opToken, text: text, token: -1, negated: true}
}

// Rule is a grammar that may occur within itself:
//
//	list := grammar.NewRule("list")
//	list.Define(grammar.Sequence(item, grammar.Optional(list.Grammar())))
type Rule struct {
	name string
	body *Grammar
}

// NewRule returns a rule, which is to be defined once. Errors name it.
func NewRule(name string) *Rule { return &Rule{name: name} }

// Define says what the rule is.
func (r *Rule) Define(g *Grammar) { r.body = g }

// Grammar returns a reference to the rule.
func (r *Rule) Grammar() *Grammar { return &Grammar{op: opRule, rule: r} }

// Text is any text, of tokens that are no special ones.
func Text() *Grammar { return Repeat(Class(automaton.All()), 0, Unbounded) }

// Until is any text that ends with a word, which occurs nowhere else in it.
func Until(word string) *Grammar { return FromDFA(automaton.Until(word), Class) }

// Without is any text in which a word does not occur.
func Without(word string) *Grammar { return FromDFA(automaton.Without(word), Class) }

// State is a state of a grammar that is an automaton.
type State struct {
	Edges []Edge
	Final bool // a text may end here
}

// Edge leads from a state to another, with a text of a grammar.
type Edge struct {
	Label *Grammar // nil: the empty text
	Next  int
}

// FromStates is the texts on the ways from state 0 to a final one. The slices must not be changed any more.
func FromStates(states []State) *Grammar {
	for _, s := range states {
		for _, e := range s.Edges {
			if e.Next < 0 || e.Next >= len(states) {
				panic(fmt.Sprintf("grammar: an edge leads to state %d of %d", e.Next, len(states)))
			}
		}
	}
	return &Grammar{op: opMachine, states: states}
}

// FromDFA is the texts of an automaton, with each character written as a grammar has it: [Class] for plain text.
func FromDFA(d *automaton.DFA, write func(automaton.Set) *Grammar) *Grammar {
	states := make([]State, len(d.States))
	for i, s := range d.States {
		to := map[int32]automaton.Set{}
		var order []int32
		for _, e := range s.Edges {
			if to[e.Next] == nil {
				order = append(order, e.Next)
			}
			to[e.Next] = append(to[e.Next], e.Range)
		}
		states[i].Final = s.Final
		for _, next := range order {
			states[i].Edges = append(states[i].Edges, Edge{write(automaton.Union(to[next])), int(next)})
		}
	}
	return FromStates(states)
}
