// Package terminal writes for a person at a terminal: tables, facts, bars and strips of blocks, as wide as the [Screen] and in colour
// where it has colours; the [Progress] of long work; and text from files and models without its control characters ([Printable],
// [Visible], [Show]).
package terminal
