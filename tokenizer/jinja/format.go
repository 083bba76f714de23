package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatter is a call of str.format.
type formatter struct {
	in     *interp
	args   []any
	named  *dict // values by name
	auto   int   // number of the next {}
	manual bool
	escape bool
}

// format is format.format(*args, **named).
func (f *formatter) format(format string, depth int) string {
	in := f.in
	if depth > 2 {
		in.fail("the format nests too deep")
	}
	var w strings.Builder
	for {
		in.checkSize(&w)
		i := strings.IndexAny(format, "{}")
		if i < 0 {
			w.WriteString(format)
			return w.String()
		}
		w.WriteString(format[:i])
		brace, rest := format[i], format[i+1:]
		switch {
		case strings.HasPrefix(rest, string(brace)):
			w.WriteByte(brace)
			format = rest[1:]
			continue
		case brace == '}':
			in.fail("the format has a single '}'")
		}
		end, open := -1, 1
		for j := 0; j < len(rest) && end < 0; j++ {
			switch rest[j] {
			case '{':
				open++
			case '}':
				if open--; open == 0 {
					end = j
				}
			}
		}
		if end < 0 {
			in.fail("the format has a '{' without '}'")
		}
		field := rest[:end]
		format = rest[end+1:]
		s := f.field(field, depth)
		in.alloc(len(s))
		w.WriteString(s)
	}
}

func (f *formatter) field(field string, depth int) string {
	in := f.in
	name, spec := field, ""
	bracket := 0
	for i := range len(field) { // the first : or ! outside of brackets
		c := field[i]
		if c == '[' {
			bracket++
		} else if c == ']' {
			bracket--
		} else if bracket == 0 && (c == ':' || c == '!') {
			name, spec = field[:i], field[i:]
			break
		}
	}
	conversion := byte(0)
	if strings.HasPrefix(spec, "!") {
		if len(spec) < 2 || len(spec) > 2 && spec[2] != ':' {
			in.fail("malformed conversion in the format")
		}
		conversion, spec = spec[1], spec[2:]
	}
	spec = strings.TrimPrefix(spec, ":")
	v := f.value(name)
	switch conversion {
	case 0:
	case 's':
		v = in.str(v)
	case 'r':
		v = in.repr(v)
	case 'a':
		v = toASCII(in.repr(v))
	default:
		in.fail("unknown conversion !%c in the format", conversion)
	}
	if strings.ContainsAny(spec, "{}") {
		spec = f.format(spec, depth+1)
	}
	if f.escape {
		if m, ok := v.(markup); ok && spec == "" {
			return string(m)
		}
		return in.escape(in.formatValue(v, spec))
	}
	return in.formatValue(v, spec)
}

// value returns what a field names: 0, name, name.attribute, name[key].
func (f *formatter) value(field string) any {
	in := f.in
	n := strings.IndexAny(field, ".[")
	if n < 0 {
		n = len(field)
	}
	first, rest := field[:n], field[n:]
	number, err := strconv.Atoi(first)
	if first == "" {
		if f.manual {
			in.fail("the format mixes {} and {0}")
		}
		number, err = f.auto, nil
		f.auto++
	} else if err == nil {
		if f.auto > 0 {
			in.fail("the format mixes {} and {0}")
		}
		f.manual = true
	}
	var v any
	if err == nil {
		if number < 0 || number >= len(f.args) {
			in.fail("the format has no value %d", number)
		}
		v = f.args[number]
	} else {
		found := false
		if v, found = f.named.getString(first); !found {
			in.fail("the format has no value %q", first)
		}
	}
	for rest != "" {
		if rest[0] == '.' {
			n := strings.IndexAny(rest[1:], ".[") + 1
			if n == 0 {
				n = len(rest)
			}
			v, rest = in.attr(v, rest[1:n]), rest[n:]
			continue
		}
		key, after, ok := strings.Cut(rest[1:], "]")
		if rest[0] != '[' || !ok || key == "" {
			in.fail("malformed field %q in the format", field)
		}
		rest = after
		if i, err := strconv.ParseInt(key, 10, 64); err == nil {
			v = in.item(v, i)
		} else {
			v = in.item(v, key)
		}
	}
	return v
}

// formatSpec is [[fill]align][sign][z][#][0][width][grouping][.precision][type].
type formatSpec struct {
	fill      string
	align     byte
	sign      byte
	alt       bool
	width     int
	grouping  string
	precision int
	kind      byte
}

func (in *interp) parseSpec(spec string) formatSpec {
	s := formatSpec{fill: " ", precision: -1}
	rest := spec
	if _, n := utf8.DecodeRuneInString(rest); n > 0 && len(rest) > n && strings.IndexByte("<>=^", rest[n]) >= 0 {
		s.fill, s.align, rest = rest[:n], rest[n], rest[n+1:]
	} else if rest != "" && strings.IndexByte("<>=^", rest[0]) >= 0 {
		s.align, rest = rest[0], rest[1:]
	}
	if rest != "" && strings.IndexByte("+- ", rest[0]) >= 0 {
		s.sign, rest = rest[0], rest[1:]
	}
	rest = strings.TrimPrefix(rest, "z")
	if r, ok := strings.CutPrefix(rest, "#"); ok {
		s.alt, rest = true, r
	}
	if r, ok := strings.CutPrefix(rest, "0"); ok {
		rest = r
		if s.align == 0 {
			s.fill, s.align = "0", '='
		}
	}
	rest, s.width = in.formatNumber(rest, nil)
	if rest != "" && (rest[0] == ',' || rest[0] == '_') {
		s.grouping, rest = rest[:1], rest[1:]
	}
	if r, ok := strings.CutPrefix(rest, "."); ok {
		if r == "" || r[0] < '0' || r[0] > '9' {
			in.fail("the format specification %q lacks its precision", spec)
		}
		rest, s.precision = in.formatNumber(r, nil)
	}
	if len(rest) > 1 {
		in.fail("malformed format specification %q", spec)
	}
	if rest != "" {
		s.kind = rest[0]
	}
	in.alloc(s.width * len(s.fill))
	in.alloc(max(s.precision, 0))
	return s
}

// formatValue is format(v, spec).
func (in *interp) formatValue(v any, spec string) string {
	if spec == "" {
		return in.str(v)
	}
	if t, ok := text(v); ok {
		return in.formatText(t, spec)
	}
	if b, ok := v.(bool); ok {
		if s := in.parseSpec(spec); s.kind == 0 || s.kind == 's' { // bool is int, but prints as a word only without a specification
			v = int64(0)
			if b {
				v = int64(1)
			}
		}
	}
	_, isFloat := v.(float64)
	if !isFloat && !isInt(v) {
		in.fail("the format specification %q does not fit a %s", spec, typeName(v))
	}
	s := in.parseSpec(spec)
	switch {
	case strings.IndexByte("eEfFgG%", s.kind) >= 0 && s.kind != 0, isFloat && (s.kind == 0 || s.kind == 'n'):
		return in.formatFloatSpec(v, s)
	case isFloat || s.precision >= 0:
		in.fail("the format specification %q does not fit a %s", spec, typeName(v))
	}
	n, _ := toInt(v)
	return in.formatInt(n, s, spec)
}

func (in *interp) formatText(t, spec string) string {
	s := in.parseSpec(spec)
	if s.kind != 0 && s.kind != 's' || s.sign != 0 || s.alt || s.grouping != "" || s.align == '=' && s.fill != "0" {
		in.fail("the format specification %q does not fit a string", spec)
	}
	if s.align == '=' {
		s.align = '<'
	}
	if s.precision >= 0 {
		t = firstRunes(t, s.precision)
	}
	return s.pad("", t, '<')
}

// formatInt changes n.
func (in *interp) formatInt(n *big.Int, s formatSpec, spec string) string {
	sign := s.signOf(n.Sign() < 0)
	n.Abs(n)
	digits, prefix, group := "", "", 4
	switch s.kind {
	case 0, 'd', 'n':
		digits, group = n.String(), 3
	case 'b':
		digits, prefix = n.Text(2), "0b"
	case 'o':
		digits, prefix = n.Text(8), "0o"
	case 'x':
		digits, prefix = n.Text(16), "0x"
	case 'X':
		digits, prefix = strings.ToUpper(n.Text(16)), "0X"
	case 'c':
		if sign != "" || !n.IsInt64() || n.Int64() > utf8.MaxRune {
			in.fail("%s is no character", n)
		}
		return s.pad("", string(rune(n.Int64())), '<')
	default:
		in.fail("the format specification %q does not fit an integer", spec)
	}
	if s.grouping == "," && group == 4 {
		in.fail("the format specification %q does not fit an integer", spec)
	}
	if s.alt {
		sign += prefix
	}
	return s.padNumber(sign, digits, "", group)
}

func (in *interp) formatFloatSpec(v any, s formatSpec) string {
	f, _ := toFloat(v)
	if n, ok := v.(*big.Int); ok && math.IsInf(f, 0) {
		in.fail("an integer of %d bits is too large for a float", n.BitLen())
	}
	sign := s.signOf(math.Signbit(f) && !math.IsNaN(f))
	f = math.Abs(f)
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	digits := ""
	switch s.kind {
	case 0, 'n':
		if s.precision < 0 && s.kind == 0 {
			digits = formatFloat(f)
		} else if digits = formatDigits(f, 'g', max(precision, 1), s.alt); s.kind == 0 && !strings.ContainsAny(digits, ".en") {
			// Without a type there is always a digit after the point.
			if len(digits) >= max(precision, 1) {
				digits = formatDigits(f, 'e', max(precision-1, 0), s.alt)
				if m, e, ok := strings.Cut(digits, "e"); ok && strings.Contains(m, ".") {
					digits = strings.TrimRight(strings.TrimRight(m, "0"), ".") + "e" + e
				}
			} else {
				digits += ".0"
			}
		}
	case '%':
		digits = formatDigits(f*100, 'f', precision, s.alt) + "%"
	default:
		digits = formatDigits(f, s.kind, precision, s.alt)
	}
	whole := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if whole < 0 {
		whole = len(digits)
	}
	return s.padNumber(sign, digits[:whole], digits[whole:], 3)
}

func (s *formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.sign == '+', s.sign == ' ':
		return string(s.sign)
	}
	return ""
}

// padNumber groups the digits of the whole part and pads.
func (s *formatSpec) padNumber(sign, whole, rest string, group int) string {
	if s.grouping != "" {
		if s.align == '=' && s.fill == "0" { // zeros are grouped too
			for len(sign)+len(grouped(whole, s.grouping, group))+len(rest) < s.width {
				next := "0" + whole
				if len(sign)+len(grouped(next, s.grouping, group))+len(rest) > s.width && len(whole)%group != 0 {
					break
				}
				whole = next
			}
		}
		whole = grouped(whole, s.grouping, group)
	}
	return s.pad(sign, whole+rest, '>')
}

func grouped(digits, separator string, n int) string {
	var w strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%n == 0 {
			w.WriteString(separator)
		}
		w.WriteByte(digits[i])
	}
	return w.String()
}

func (s *formatSpec) pad(sign, text string, align byte) string {
	missing := s.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(text)
	if missing <= 0 {
		return sign + text
	}
	if s.align != 0 {
		align = s.align
	}
	fill := func(n int) string { return strings.Repeat(s.fill, n) }
	switch align {
	case '<':
		return sign + text + fill(missing)
	case '^':
		return fill(missing/2) + sign + text + fill(missing-missing/2)
	case '=':
		return sign + fill(missing) + text
	}
	return fill(missing) + sign + text
}
