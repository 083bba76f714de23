// Package tables shows reports to a person at a terminal: those of package report and of runtime/activity, as tables, facts and
// strips that are as wide as the screen.
package tables
