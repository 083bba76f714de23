package jsonschema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// format is a format of strings, as an expression; none: it says nothing about the text.
type format struct {
	expr string
	// within is what is written of at most so many characters, and how many that are then: counting those of expr may take an automaton that is too
	// large. nil: expr is.
	within func(most int) (expr string, longest int)
}

// Expressions that formats are made of.
const (
	// Years have four digits and no zero at the beginning, which every reader takes. 29 February needs a leap year.
	dateExpr = `(?:[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))` +
		`|(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)`
	timeExpr  = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
	octetExpr = `(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
	ipv4Expr  = octetExpr + `(?:\.` + octetExpr + `){3}`
	labelExpr = `[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20})?`
	hostExpr  = labelExpr + `(?:\.` + labelExpr + `){0,2}\.[A-Za-z]{2,20}`
	atomExpr  = `[A-Za-z0-9_+-]{1,20}`
	groupExpr = `[0-9a-fA-F]{1,4}`

	emailExpr         = atomExpr + `(?:\.` + atomExpr + `){0,2}@` + hostExpr
	hostnameExpr      = labelExpr + `(?:\.` + labelExpr + `){0,4}`
	shortLabelExpr    = `[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*`
	shortEmailExpr    = `[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:` + shortLabelExpr + `\.)+[A-Za-z]{2,20}`
	shortHostnameExpr = shortLabelExpr + `(?:\.` + shortLabelExpr + `)*`
)

var formats = map[string]*format{
	"date":      {expr: dateExpr},
	"time":      {expr: timeExpr},
	"date-time": {expr: dateExpr + "T" + timeExpr},
	"duration":  {expr: durationExpr()},
	"uuid":      {expr: `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`},
	"email":     {emailExpr, shortNames(emailExpr, shortEmailExpr)},
	"hostname":  {hostnameExpr, shortNames(hostnameExpr, shortHostnameExpr)},
	"ipv4":      {expr: ipv4Expr},
	"ipv6":      {expr: ipv6Expr()},
	"uri":       {uriExpr("*", "*"), uriWithin},
	"regex":     {expr: `\^?(?:(?:[A-Za-z0-9 _]|\\[dws.]|\.)[*+?]?)*\$?`},
	"password":  {}, // as it is shown
	"int32":     {}, // of numbers, as OpenAPI has them
	"int64":     {},
	"float":     {},
	"double":    {},
}

// formatOf returns a format; nil: it is not known.
func formatOf(name string) *format {
	if f := formats[name]; f != nil {
		return f
	}
	return libraryFormats[name]
}

// of returns the expression of whole texts of at most so many characters, most < 0: of any number; and how many those are at most, which is to be counted.
func (f *format) of(most int) (expr string, longest int) {
	expr, longest = f.expr, most
	if f.within != nil && most >= 0 {
		expr, longest = f.within(most)
	}
	return "^(?:" + expr + ")$", longest
}

// knownFormats lists those of the standard, for errors.
func knownFormats() string { return strings.Join(slices.Sorted(maps.Keys(formats)), ", ") }

// shortName is how long names are whose labels need no counting: a label of a host has 63 characters at most.
const shortName = 63

// shortNames is names within a length in which long ones may have no room: short ones.
func shortNames(long, short string) func(most int) (string, int) {
	const longest = 209
	return func(most int) (string, int) {
		if most >= longest {
			return long, most
		}
		return short, min(most, shortName)
	}
}

// uriExpr is addresses with a host, of at most 170 characters without path and tail, which say how often a character of those comes.
func uriExpr(path, tail string) string {
	return `[a-z][a-z0-9+-]{1,15}://(?:` + hostExpr + `|` + ipv4Expr + `|localhost)(?::[1-9]\d{0,3})?` +
		`(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})` + path + `)?` +
		`(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]` + tail + `)?(?:#[A-Za-z0-9._~!$&'()*+,;=:@/?-]` + tail + `)?`
}

// uriWithin is addresses in which half of the room that the host leaves is for the path, where a character may take three, and the rest for the tail.
func uriWithin(most int) (string, int) {
	const host, signs, least = 170, 3, 256
	if most < least {
		return uriExpr("*", "*"), most
	}
	room := most - host - signs
	times := func(n int) string { return fmt.Sprintf("{0,%d}", min(n, 300)) }
	return uriExpr(times(room/6), times(room/4)), most
}

// ipv6Expr is the forms of RFC 4291 without an IPv4 address at the end.
func ipv6Expr() string {
	g := groupExpr
	forms := []string{"(?:" + g + ":){7}" + g, "(?:" + g + ":){1,7}:", ":(?::" + g + "){1,7}", "::"}
	for i := 1; i <= 6; i++ {
		forms = append(forms, "(?:"+g+":){1,"+string(rune('0'+i))+"}(?::"+g+"){1,"+string(rune('0'+7-i))+"}")
	}
	return strings.Join(forms, "|")
}

// durationExpr is the forms of RFC 3339, appendix A.
func durationExpr() string {
	const n = `\d{1,4}`
	clock := "T(?:" + n + "H(?:" + n + "M(?:" + n + "S)?)?|" + n + "M(?:" + n + "S)?|" + n + "S)"
	day := n + "D"
	month := n + "M(?:" + day + ")?"
	year := n + "Y(?:" + month + ")?"
	return "P(?:" + n + "W|(?:" + year + "|" + month + "|" + day + ")(?:" + clock + ")?|" + clock + ")"
}
