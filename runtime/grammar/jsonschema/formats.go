package jsonschema

import (
	"maps"
	"slices"
	"strings"
)

// format is a format of strings, as an expression; none: it says nothing about the text.
type format struct{ expr string }

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
	pathExpr  = `(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*`
)

var formats = map[string]*format{
	"date":      {dateExpr},
	"time":      {timeExpr},
	"date-time": {dateExpr + "T" + timeExpr},
	"duration":  {durationExpr()},
	"uuid":      {`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`},
	"email":     {atomExpr + `(?:\.` + atomExpr + `){0,2}@` + hostExpr},
	"hostname":  {labelExpr + `(?:\.` + labelExpr + `){0,4}`},
	"ipv4":      {ipv4Expr},
	"ipv6":      {ipv6Expr()},
	"uri": {`[a-z][a-z0-9+-]{1,15}://(?:` + hostExpr + `|` + ipv4Expr + `|localhost)(?::[1-9]\d{0,3})?` + pathExpr +
		`(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?(?:#[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?`},
	"password": {}, // as it is shown
	"int32":    {}, // of numbers, as OpenAPI has them
	"int64":    {},
	"float":    {},
	"double":   {},
}

func formatOf(name string) *format {
	f := formats[name]
	if f == nil || f.expr == "" {
		return f
	}
	return &format{"^(?:" + f.expr + ")$"}
}

func knownFormats() string { return strings.Join(slices.Sorted(maps.Keys(formats)), ", ") }

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
