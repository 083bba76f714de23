// Package regex matches the regular expressions that tokenizer.json files
// hold, exactly as the tokenizers library does: in the syntax and with the
// meaning of Oniguruma's Ruby dialect, over the characters of Unicode 16.
//
//	re, err := regex.Compile(`\s?\p{L}+|\s+$|\p{N}{1,3}`)
//	for m := range re.All("12345 words") {
//		// "123", "45", " words"
//	}
//
// A general engine differs from it in ways that change tokens without a word:
// "$" holds before every line end, "{1,3}+" is a repetition of a repetition,
// "x++" never gives back, classes nest and intersect ("[\w&&[^\d]]"), "\h" is a
// hexadecimal digit.
//
// # How it matches
//
// An expression is compiled to a small program, which is run by backtracking
// over an explicit stack. A run of one class of characters, which is most of
// what tokenizers look for, is one step; where what follows such a run has
// failed once, it is not tried again from the same places. Together with a
// bound on the steps, in proportion to the text, no expression takes more than
// linear time: where the bound is reached, the rest of the text does not match
// (Oniguruma gives up in such cases too). The bound counts steps, not time, so
// the result is the same on every machine.
//
// Backreferences, variable lookbehind, absence operators, subexpression calls,
// conditionals, \G, \K and \X are refused with ErrUnsupported.
package regex
