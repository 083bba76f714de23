// Package automaton holds deterministic automata over characters: the languages of patterns, formats, lengths and sets of words, which can be
// intersected and complemented.
package automaton
