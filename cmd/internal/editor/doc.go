// Package editor reads messages of one or several lines that a person types or pastes at a terminal.
//
// [New] takes the terminal over and [Editor.Close] gives it back. In between, [Editor.Read] shows a prompt and returns the next message.
// Between two calls the terminal shows nothing of what is typed, which the next call finds; Ctrl-C is a signal then, and a key within
// Read.
//
// What is pasted is text: terminals mark it (bracketed paste), and what comes without marks is text if several lines come at once. Enter
// sends a message; Alt+Enter, Ctrl+J and Enter after a \ begin a new line, and so does Enter in a message that begins with """ until it
// ends with """.
//
// How it works: keys.go makes keys of bytes; text.go changes the text; layout.go cuts it into rows as wide as the terminal; screen.go
// draws the rows that changed. Everything counts in grapheme clusters, what a reader takes for one character, and in the columns that they
// take. Modes and signals of the operating system are in tty_*.go.
package editor
