package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// conversion is one of the % operator, such as %-5.2f.
type conversion struct {
	minus, plus, space, zero, alt bool
	width, precision              int // precision -1 if there is none
	kind                          byte
}

// percentValues are the values of a format: a dict, or one after the other.
type percentValues struct {
	in       *interp
	values   []any
	dict     *dict // nil if the values are no dict
	used     int   // the number of values used
	named    bool  // a value was named
	optional bool  // not all values need be used
}

func (in *interp) percentValues(args any) *percentValues {
	v := &percentValues{in: in, values: []any{args}}
	switch args := args.(type) {
	case *tuple:
		v.values = args.items
	case *dict:
		v.dict, v.optional = args, true
	case *list, *rangeValue, *undefined: // might be a mapping
		v.optional = true
	}
	return v
}

func (v *percentValues) next() any {
	if v.used == len(v.values) {
		v.in.fail("not enough values for the format")
	}
	v.used++
	return v.values[v.used-1]
}

func (v *percentValues) byName(key string) any {
	value, found := v.dict.getString(key)
	if !found {
		v.in.fail("the format names %q, which is not in its values", key)
	}
	return value
}

// checkUsed fails if a value was not used.
func (v *percentValues) checkUsed() {
	if v.used < len(v.values) && !v.named && !v.optional {
		v.in.fail("not all values are used by the format")
	}
}

// percent is format % args. Texts are escaped if escape is set.
func (in *interp) percent(format string, args any, escape bool) string {
	var w strings.Builder
	values := in.percentValues(args)
	for {
		in.checkSize(&w)
		before, rest, found := strings.Cut(format, "%")
		w.WriteString(before)
		if !found {
			break
		}
		value := values.next
		if strings.HasPrefix(rest, "(") {
			key, after, ok := cutParenthesis(rest[1:])
			if !ok || values.dict == nil {
				in.fail("the format needs a dict of values")
			}
			rest, values.named = after, true
			value = func() any { return values.byName(key) }
		}
		var c conversion
		c, format = in.parseConversion(rest, values)
		if c.kind == '%' {
			w.WriteByte('%')
			continue
		}
		s := in.convert(&c, value(), escape)
		in.alloc(len(s))
		w.WriteString(s)
	}
	values.checkUsed()
	return w.String()
}

// parseConversion reads a conversion behind its key, and returns what follows it.
func (in *interp) parseConversion(s string, values *percentValues) (conversion, string) {
	c := conversion{precision: -1}
	s = c.flags(s)
	if s, c.width = in.formatNumber(s, values.next); c.width < 0 {
		c.minus, c.width = true, -c.width
	}
	if strings.HasPrefix(s, ".") {
		s, c.precision = in.formatNumber(s[1:], values.next)
		c.precision = max(c.precision, 0)
	}
	s = strings.TrimLeft(s, "hlL")
	if s == "" {
		in.fail("the format is incomplete")
	}
	in.alloc(c.width)
	in.alloc(max(c.precision, 0))
	c.kind = s[0]
	return c, s[1:]
}

// cutParenthesis cuts s after the parenthesis that closes it.
func cutParenthesis(s string) (key, rest string, ok bool) {
	depth := 1
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

func (c *conversion) flags(s string) string {
	for ; s != ""; s = s[1:] {
		switch s[0] {
		case '-':
			c.minus = true
		case '+':
			c.plus = true
		case ' ':
			c.space = true
		case '0':
			c.zero = true
		case '#':
			c.alt = true
		default:
			return s
		}
	}
	return s
}

// formatNumber reads a width or a precision, which may be a * for a value.
func (in *interp) formatNumber(s string, next func() any) (string, int) {
	if strings.HasPrefix(s, "*") {
		v := next()
		if _, ok := v.(int64); !ok {
			in.fail("the * of a format needs an integer")
		}
		return s[1:], in.clampSize(in.argInt("*", v))
	}
	n := 0
	for ; s != "" && s[0] >= '0' && s[0] <= '9'; s = s[1:] {
		n = in.clampSize(n*10 + int(s[0]-'0'))
	}
	return s, n
}

// clampSize bounds a width, so that it can be counted.
func (b *budget) clampSize(n int) int { return max(min(n, b.value+1), -b.value-1) }

// convert carries out one conversion.
func (in *interp) convert(c *conversion, v any, escape bool) string {
	switch c.kind {
	case 's', 'r', 'a':
		return in.convertText(c, v, escape)
	case 'c':
		return in.convertCharacter(c, v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		return in.convertInt(c, v)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return in.convertFloat(c, v)
	}
	in.fail("unknown conversion %%%c", c.kind)
	return ""
}

func (in *interp) convertText(c *conversion, v any, escape bool) string {
	s := ""
	switch {
	case c.kind == 's' && escape:
		s = in.escape(v)
	case c.kind == 's':
		s = in.str(v)
	default:
		s = in.repr(v)
		if c.kind == 'a' {
			s = toASCII(s)
		}
		if escape {
			s = in.escape(s)
		}
	}
	if c.precision >= 0 {
		s = firstRunes(s, c.precision)
	}
	return c.pad("", s, false)
}

func (in *interp) convertCharacter(c *conversion, v any) string {
	if t, ok := text(v); ok && utf8.RuneCountInString(t) == 1 {
		return c.pad("", t, false)
	}
	n, ok := v.(int64)
	if !ok || n < 0 || n > utf8.MaxRune {
		in.failOn(v, "%%c needs a character, not a %s", typeName(v))
	}
	return c.pad("", string(rune(n)), false)
}

func (in *interp) convertInt(c *conversion, v any) string {
	n, ok := toInt(v)
	if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", c.kind) >= 0 {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			in.fail("%%%c needs a finite number", c.kind)
		}
		n, _ = big.NewFloat(f).Int(nil)
		ok = true
	}
	if !ok {
		in.failOn(v, "%%%c needs a number, not a %s", c.kind, typeName(v))
	}
	sign := c.sign(n.Sign() < 0)
	n.Abs(n)
	digits, prefix := "", ""
	switch c.kind {
	case 'x':
		digits, prefix = n.Text(16), "0x"
	case 'X':
		digits, prefix = strings.ToUpper(n.Text(16)), "0X"
	case 'o':
		digits, prefix = n.Text(8), "0o"
	default:
		digits = n.String()
	}
	digits = leftPad(digits, c.precision)
	if c.alt {
		sign += prefix
	}
	return c.pad(sign, digits, true)
}

func (in *interp) convertFloat(c *conversion, v any) string {
	f, ok := toFloat(v)
	if !ok {
		in.failOn(v, "%%%c needs a number, not a %s", c.kind, typeName(v))
	}
	precision := c.precision
	if precision < 0 {
		precision = 6
	}
	return c.pad(c.sign(math.Signbit(f) && !math.IsNaN(f)), formatDigits(math.Abs(f), c.kind, precision, c.alt), true)
}

func (c *conversion) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case c.plus:
		return "+"
	case c.space:
		return " "
	}
	return ""
}

func (c *conversion) pad(sign, s string, number bool) string {
	missing := c.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(s)
	switch {
	case missing <= 0:
		return sign + s
	case c.minus:
		return sign + s + strings.Repeat(" ", missing)
	case c.zero && number:
		return sign + strings.Repeat("0", missing) + s
	}
	return strings.Repeat(" ", missing) + sign + s
}

// formatDigits formats a float that is not negative as C's printf does.
func formatDigits(f float64, kind byte, precision int, alt bool) string {
	lower := kind | 0x20
	s := ""
	switch {
	case math.IsNaN(f):
		s = "nan"
	case math.IsInf(f, 0):
		s = "inf"
	case lower == 'g':
		precision = max(precision, 1)
		s = strconv.FormatFloat(f, 'e', precision-1, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		exp, _ := strconv.Atoi(exponent)
		if exp >= -4 && exp < precision {
			s = strconv.FormatFloat(f, 'f', precision-1-exp, 64)
			if !alt && strings.Contains(s, ".") {
				s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
			}
		} else {
			if !alt && strings.Contains(mantissa, ".") {
				mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
			}
			s = mantissa + "e" + exponent
		}
	default:
		s = strconv.FormatFloat(f, lower, precision, 64)
		if alt && precision == 0 {
			digits, exponent, e := strings.Cut(s, "e")
			s = digits + "."
			if e {
				s += "e" + exponent
			}
		}
	}
	if kind < 'a' {
		s = strings.ToUpper(s)
	}
	return s
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// toASCII escapes what is not ASCII, as Python's ascii does.
func toASCII(s string) string {
	var w strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			w.WriteRune(r)
		case r < 0x100:
			w.WriteString(`\x` + strconv.FormatInt(int64(r), 16))
		case r < 0x10000:
			w.WriteString(`\u` + leftPad(strconv.FormatInt(int64(r), 16), 4))
		default:
			w.WriteString(`\U` + leftPad(strconv.FormatInt(int64(r), 16), 8))
		}
	}
	return w.String()
}

// leftPad puts zeros before s until it has n bytes.
func leftPad(s string, n int) string { return strings.Repeat("0", max(n-len(s), 0)) + s }
