// Package grammar constrains what a language model writes: it tells, token by token, which ones keep a text within a grammar.
//
// A [Grammar] describes texts. It comes from GBNF, the notation of llama.cpp ([ParseGBNF]), from a regular expression ([FromRegex]), from a
// JSON Schema (package runtime/grammar/jsonschema), or is put together ([Literal], [Sequence], [Choice], [Repeat], [Rule] …). A [Vocabulary]
// holds the bytes of a model's tokens. It compiles a grammar once; any number of texts follow it then, each with a [Matcher]:
//
//	g, err := grammar.ParseGBNF(`root ::= "yes" | "no"`)
//	compiled, err := vocabulary.Compile(g)
//	m := compiled.NewMatcher()
//	for !m.Done() {
//		err := m.Mask(logits) // NaN for tokens that the grammar does not allow, ends of text included
//		id := sampler.Sample(logits)
//		err = m.Accept(id)
//	}
//
// runtime.Generate.Grammar does all of that.
//
// # Free text before a call
//
// A text that is free until a trigger comes, and follows a grammar from there on, is a grammar, too:
//
//	call := grammar.Sequence(grammar.Until("<tool_call>"), arguments, grammar.Literal("</tool_call>"))
//	auto := grammar.Sequence(grammar.Repeat(call, 0, grammar.Unbounded), grammar.Without("<tool_call>"))
//
// Thinking before an answer is Sequence(Until("</think>"), answer). [Token] is a token by its text, also a special one, which no text spells.
//
// # How it works
//
// Compile makes each rule a nondeterministic automaton over bytes, with characters as UTF-8 has them; a reference to a rule is a call. A state
// of the whole is a set of pairs (state, frame): a frame is what is called, and the pairs to go on with after it. Frames of one place that call
// the same rule are one, as in Tomita's graph-structured stack and Earley's parser, so an ambiguous grammar takes polynomial time. These sets
// are found as they are needed, numbered, and have tables of transitions: in effect a deterministic automaton that is built lazily.
//
// The vocabulary is a trie of bytes. The tokens that a state allows are found by walking both together. Most tokens begin and end within
// one call, whatever the frames below are: those are found once for each set of states and kept (arXiv 2411.15100 calls them context-independent).
// Only tokens that leave the call are walked on with the frames at hand.
//
// The items of a [Distinct] are not in these sets: there are as many lists of them as texts. A matcher carries them, for each reading of the text that is in such
// a list, with a set of its own for the item that is being written. So what is known of a set holds whatever came before. Where an item begins
// as an earlier one does, the tokens along that one are looked at: one is left out if whatever follows it makes the item an earlier one. Tokens that end
// an item and go on, or begin a list, are walked with all that the matcher carries. Members of an [Unordered] are read to their end before the item
// around them goes on with them in ascending order. So that a list never comes to a point where it needs another item and has none, Compile leaves out
// lists of which it does not know, by counting texts, that there are as many items as they need, and members that have a limited number of keys.
package grammar
