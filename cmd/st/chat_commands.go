package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const chatHelp = `/clear    begin anew: only the system message stays, in a kept session, too
/bye      end; so do /exit, /quit and Ctrl-D
/help     this; so does /?
//TEXT    a message that begins with / and a word; a path, as in /etc/hosts, needs no second /

Enter sends a message. Alt+Enter, Ctrl+J, or Enter after a \ begin a new line; so does Enter between
""" at the beginning and """ at the end. What is pasted may have several lines.
Ctrl-C stops an answer, or clears the message. With nothing to stop or to clear it ends, as Ctrl-D does;
right after an answer that it stopped it ends only when it comes once more.
Up and Down recall messages, Ctrl-R looks for one, Tab completes a command.`

// chatCommands are the commands of a conversation. Tab completes them.
var chatCommands = []string{"/bye", "/clear", "/exit", "/help", "/quit"}

// isCommand reports whether a message is one line that begins with a slash and a word, and not with a path or a second slash. A slash alone and what
// begins with a question mark are more likely to be a command that was mistyped than a message.
func isCommand(message string) bool {
	if strings.Contains(message, "\n") {
		return false
	}
	name, ok := strings.CutPrefix(strings.Fields(message)[0], "/")
	first, _ := utf8.DecodeRuneInString(name)
	return ok && !strings.Contains(name, "/") && (unicode.IsLetter(first) || first == '?' || message == "/")
}

// command does what a command asks for, in whatever case it is typed, and reports whether that ends the conversation.
func (c *conversation) command(text string) (end bool) {
	words := strings.Fields(text)
	name := strings.ToLower(words[0])
	switch {
	case name != "/?" && !slices.Contains(chatCommands, name):
		c.app.fail(fmt.Errorf("%[1]s is unknown: /help lists what there is; /%[1]s sends it as a message", words[0]))
	case len(words) > 1:
		c.app.fail(fmt.Errorf("%[1]s takes no %[2]q: /help lists what there is; /%[1]s sends it as a message", words[0], words[1]))
	case name == "/clear":
		c.chat.Reset()
		c.keep()
	case name == "/help", name == "/?":
		fmt.Fprintln(c.app.stdout, chatHelp)
	default:
		return true
	}
	return false
}
