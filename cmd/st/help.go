package main

import (
	"embed"
	"strings"
	"text/template"
)

// helpFiles are the long helps of commands. What several have in common is a template that they name.
//
//go:embed help/*.txt
var helpFiles embed.FS

var helpTexts = template.Must(template.ParseFS(helpFiles, "help/*.txt"))

// help returns the long help of a command. Templates are told its name: what they say may not be so of all.
func help(command string) string {
	var b strings.Builder
	if err := helpTexts.ExecuteTemplate(&b, command+".txt", command); err != nil {
		panic(err) // the files are part of the program
	}
	return b.String()
}
