package jinja

import (
	"fmt"
	"math"
	"math/big"
	"unicode"

	"strconv"
	"strings"
)

func filterAbs(in *interp, a []any) any {
	switch v := a[0].(type) {
	case float64:
		return math.Abs(v)
	}
	n, ok := toInt(a[0])
	if !ok {
		in.failOn(a[0], "abs does not fit a %s", typeName(a[0]))
	}
	return normalizeInt(n.Abs(n))
}

func filterFileSize(in *interp, a []any) any {
	f, ok := in.parseFloat(a[0])
	if !ok {
		in.failOn(a[0], "filesizeformat needs a number")
	}
	base, suffix := 1000.0, "B"
	prefixes := "kMGTPEZY"
	if truth(a[1]) {
		base, suffix, prefixes = 1024, "iB", "KMGTPEZY"
	}
	switch {
	case f == 1:
		return "1 Byte"
	case f < base:
		return fmt.Sprintf("%.0f Bytes", math.Trunc(f)+0) // + 0: no -0
	}
	unit := base
	for i, prefix := range prefixes {
		unit *= base
		if f < unit || i == len(prefixes)-1 {
			return fmt.Sprintf("%.1f %c%s", base*f/unit, prefix, suffix)
		}
	}
	return nil
}

// parseFloat is float(v); ok is false where Python raises a TypeError or a
// ValueError.
func (in *interp) parseFloat(v any) (float64, bool) {
	if u, ok := v.(*undefined); ok {
		in.failUndefined(u)
	}
	if s, ok := text(v); ok {
		s, ok = cleanNumber(s)
		if !ok || strings.ContainsAny(s, "xXpP") {
			return 0, false
		}
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	f, ok := toFloat(v)
	if _, isBig := v.(*big.Int); isBig && math.IsInf(f, 0) {
		in.fail("the integer is too large for a float")
	}
	return f, ok
}

// cleanNumber strips white space and single underscores between digits, and
// turns the digits of other scripts into those of ASCII.
func cleanNumber(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r
		}
		for _, digits := range unicode.Nd.R16 { // each is one or more decades
			if r >= rune(digits.Lo) && r <= rune(digits.Hi) {
				return '0' + (r-rune(digits.Lo))%10
			}
		}
		return r
	}, strings.TrimFunc(s, isSpace))
	var w strings.Builder
	for i := range len(s) {
		if s[i] == '_' {
			if i == 0 || i+1 == len(s) || !alnumByte(s[i-1]) || !alnumByte(s[i+1]) {
				return "", false
			}
			continue
		}
		w.WriteByte(s[i])
	}
	return w.String(), true
}

func alnumByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func filterInt(in *interp, a []any) any {
	if s, ok := text(a[0]); ok {
		if n, ok := parseInt(s, in.argInt("int", a[2])); ok {
			return n
		}
	} else if n, ok := toInt(a[0]); ok {
		return normalizeInt(n)
	}
	f, ok := in.parseFloat(a[0])
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		if _, isFloat := a[0].(float64); isFloat && math.IsInf(f, 0) {
			in.fail("cannot convert infinity to an integer")
		}
		return a[1]
	}
	n, _ := big.NewFloat(f).Int(nil)
	return normalizeInt(n)
}

// parseInt is int(s, base).
func parseInt(s string, base int) (any, bool) {
	if base != 0 && (base < 2 || base > 36) {
		return nil, false
	}
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		sign, s = s[:1], s[1:]
	}
	if base == 0 && len(s) > 1 && s[0] == '0' && alnumByte(s[1]) && s[1] <= '9' && strings.Trim(s, "0_") != "" {
		return nil, false
	}
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if (base == b || base == 0) && len(s) > 2 && strings.EqualFold(s[:2], prefix) {
			s, base = strings.TrimPrefix(s[2:], "_"), b
			break
		}
	}
	if base == 0 {
		base = 10
	}
	s, ok := cleanNumber(s)
	if !ok || s == "" || len(s) > maxIntBits/4 || !alnumByte(s[0]) {
		return nil, false
	}
	n, ok := new(big.Int).SetString(sign+s, base)
	if !ok {
		return nil, false
	}
	return normalizeInt(n), true
}

func filterRound(in *interp, a []any) any {
	method, _ := text(a[2])
	f, isFloat := a[0].(float64)
	switch method {
	case "common":
		if isFloat {
			if a[1] == nil {
				return in.floatToInt(math.RoundToEven(f))
			}
			return roundFloat(f, in.argInt("round", a[1]))
		}
		n, ok := toInt(a[0])
		if !ok {
			in.failOn(a[0], "round does not fit a %s", typeName(a[0]))
		}
		if a[1] == nil {
			return normalizeInt(n)
		}
		return roundInt(n, in.argInt("round", a[1]))
	case "ceil", "floor":
		power := in.binary("**", int64(10), a[1])
		v, ok := toFloat(in.binary("*", a[0], power))
		if !ok {
			in.failOn(a[0], "round does not fit a %s", typeName(a[0]))
		}
		if v = math.Floor(v); method == "ceil" {
			scaled, _ := toFloat(in.binary("*", a[0], power))
			v = math.Ceil(scaled)
		}
		return in.binary("/", in.floatToInt(v), power)
	}
	in.fail("round: the method is common, ceil or floor")
	return nil
}

func (in *interp) floatToInt(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		in.fail("cannot convert %v to an integer", f)
	}
	n, _ := big.NewFloat(f).Int(nil)
	return normalizeInt(n)
}

// roundFloat rounds to n digits after the point, half to even, as decimals.
func roundFloat(f float64, n int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 || n > 323 {
		return f
	}
	if n >= 0 {
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
		return r
	}
	if n < -308 {
		return math.Copysign(0, f)
	}
	whole, _ := new(big.Float).SetFloat64(math.Trunc(f)).Int(nil)
	rounded := roundInt(whole, n)
	if frac := f - math.Trunc(f); frac != 0 { // a fraction breaks a tie
		half := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-n)), nil)
		half.Rsh(half, 1)
		m := new(big.Int).Mod(new(big.Int).Abs(whole), new(big.Int).Lsh(half, 1))
		if m.Cmp(half) == 0 {
			step := big.NewInt(int64(math.Copysign(1, f)))
			rounded = roundInt(whole.Add(whole, step), n)
		}
	}
	r, _ := toFloat(rounded)
	return math.Copysign(r, f)
}

// roundInt rounds to a multiple of 10**-n, half to even.
func roundInt(n *big.Int, digits int) any {
	if digits >= 0 {
		return normalizeInt(n)
	}
	if -digits > maxIntBits/3 {
		return int64(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q, m := new(big.Int).DivMod(n, unit, new(big.Int))
	if c := m.Lsh(m, 1).Cmp(unit); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return normalizeInt(q.Mul(q, unit))
}

func filterSum(in *interp, a []any) any {
	next := in.iterate(a[0])
	get := in.getter(a[1], nil)
	sum := a[2]
	if isText(sum) {
		in.fail("sum does not add strings: use join")
	}
	for item, ok := next(); ok; item, ok = next() {
		sum = in.binary("+", sum, get(item))
	}
	return sum
}
