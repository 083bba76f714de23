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

// percent is format % args. Texts are escaped if escape is set.
func (in *interp) percent(format string, args any, escape bool) string {
	var w strings.Builder
	values := []any{args}
	tuple, isTuple := args.(*tuple)
	if isTuple {
		values = tuple.items
	}
	mapping, isMapping := args.(*dict)
	used, named := 0, false
	next := func() any {
		if used == len(values) {
			in.fail("not enough values for the format")
		}
		used++
		return values[used-1]
	}
	for {
		in.checkSize(&w)
		before, rest, found := strings.Cut(format, "%")
		w.WriteString(before)
		if !found {
			break
		}
		c := conversion{precision: -1}
		value := func() any { return next() }
		if strings.HasPrefix(rest, "(") {
			key, after, ok := cutParenthesis(rest[1:])
			if !ok || !isMapping {
				in.fail("the format needs a dict of values")
			}
			rest, named = after, true
			value = func() any {
				v, found := mapping.getString(key)
				if !found {
					in.fail("the format names %q, which is not in its values", key)
				}
				return v
			}
		}
		rest = c.flags(rest)
		if rest, c.width = in.formatNumber(rest, next); c.width < 0 {
			c.minus, c.width = true, -c.width
		}
		if strings.HasPrefix(rest, ".") {
			rest, c.precision = in.formatNumber(rest[1:], next)
			c.precision = max(c.precision, 0)
		}
		rest = strings.TrimLeft(rest, "hlL")
		if rest == "" {
			in.fail("the format is incomplete")
		}
		in.alloc(c.width)
		in.alloc(max(c.precision, 0))
		c.kind, format = rest[0], rest[1:]
		if c.kind == '%' {
			w.WriteByte('%')
			continue
		}
		s := in.convert(&c, value(), escape)
		in.alloc(len(s))
		w.WriteString(s)
	}
	if used < len(values) && !named && !isMapping && (isTuple || !indexable(args)) {
		in.fail("not all values are used by the format")
	}
	return w.String()
}

// indexable tells whether the format may leave a value out, because it might
// be a mapping.
func indexable(v any) bool {
	switch v.(type) {
	case *list, *rangeValue, *undefined:
		return true
	}
	return false
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
	s := ""
	switch c.kind {
	case 's', 'r', 'a':
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
	case 'c':
		if t, ok := text(v); ok && utf8.RuneCountInString(t) == 1 {
			return c.pad("", t, false)
		}
		n, ok := v.(int64)
		if !ok || n < 0 || n > utf8.MaxRune {
			in.failOn(v, "%%c needs a character, not a %s", typeName(v))
		}
		return c.pad("", string(rune(n)), false)
	case 'd', 'i', 'u', 'x', 'X', 'o':
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
		sign, prefix := c.sign(n.Sign() < 0), ""
		n.Abs(n)
		switch c.kind {
		case 'x', 'X':
			s = n.Text(16)
			prefix = "0x"
		case 'o':
			s = n.Text(8)
			prefix = "0o"
		default:
			s = n.String()
		}
		if c.kind == 'X' {
			s, prefix = strings.ToUpper(s), "0X"
		}
		if missing := c.precision - len(s); missing > 0 {
			s = strings.Repeat("0", missing) + s
		}
		if c.alt {
			sign += prefix
		}
		return c.pad(sign, s, true)
	case 'e', 'E', 'f', 'F', 'g', 'G':
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
	in.fail("unknown conversion %%%c", c.kind)
	return ""
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

func leftPad(s string, n int) string { return strings.Repeat("0", max(n-len(s), 0)) + s }
