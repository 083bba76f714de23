package jsonschema

import "st/runtime/grammar"

// Rules that all grammars share.
var (
	valueRule  = grammar.NewRule("value")
	objectRule = grammar.NewRule("object")
	arrayRule  = grammar.NewRule("array")
	stringRule = grammar.NewRule("string")
	numberRule = grammar.NewRule("number")
)

func init() {
	stringRule.Define(quoted(grammar.Repeat(character, 0, grammar.Unbounded)))
	numberRule.Define(unbounded(maxFraction, true))
	member := grammar.Sequence(stringRule.Grammar(), grammar.Literal(": "), valueRule.Grammar())
	objectRule.Define(listOf("{", member, "}"))
	arrayRule.Define(listOf("[", valueRule.Grammar(), "]"))
	valueRule.Define(grammar.Choice(objectRule.Grammar(), arrayRule.Grammar(), stringRule.Grammar(), numberRule.Grammar(),
		grammar.Literal("true"), grammar.Literal("false"), grammar.Literal("null")))
}

// listOf returns the grammar of any number of parts, with commas between them.
func listOf(begin string, part *grammar.Grammar, end string) *grammar.Grammar {
	more := grammar.Repeat(grammar.Sequence(grammar.Literal(", "), part), 0, grammar.Unbounded)
	return grammar.Sequence(grammar.Literal(begin), grammar.Optional(grammar.Sequence(part, more)), grammar.Literal(end))
}

// Value returns the grammar of any JSON value.
func Value() *grammar.Grammar { return valueRule.Grammar() }

// Object returns the grammar of any JSON object.
func Object() *grammar.Grammar { return objectRule.Grammar() }
