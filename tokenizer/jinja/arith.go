package jinja

import (
	"math"
	"math/big"
	"strings"
)

// toInt returns the integer that v is.
func toInt(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return new(big.Int).Set(v), true
	}
	return nil, false
}

func isInt(v any) bool {
	switch v.(type) {
	case bool, int64, *big.Int:
		return true
	}
	return false
}

// toFloat returns the number that v is as a float.
func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}

// normalizeInt returns n as an int64 if it is one.
func normalizeInt(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

func (b *budget) bigResult(n *big.Int) any {
	if n.BitLen() > maxIntBits {
		fail(b.line, ErrLimit, "an integer of more than %d bits", maxIntBits)
	}
	return normalizeInt(n)
}

// binary is x op y.
func (in *interp) binary(op string, x, y any) any {
	if u, ok := x.(*undefined); ok {
		in.failUndefined(u)
	}
	if op == "%" {
		if s, ok := text(x); ok {
			return like(x, in.percent(s, y, isMarkup(x)))
		}
	}
	if u, ok := y.(*undefined); ok {
		in.failUndefined(u)
	}
	switch op {
	case "+":
		if v, ok := in.concat(x, y); ok {
			return v
		}
	case "*":
		if isInt(y) {
			if v, ok := in.repeat(x, y); ok {
				return v
			}
		} else if isInt(x) {
			if v, ok := in.repeat(y, x); ok {
				return v
			}
		}
	}
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			if v, ok := in.intOp(op, a, b); ok {
				return v
			}
		}
	}
	if isInt(x) && isInt(y) {
		a, _ := toInt(x)
		b, _ := toInt(y)
		return in.bigOp(op, a, b)
	}
	a, okX := toFloat(x)
	b, okY := toFloat(y)
	if !okX || !okY {
		in.fail("the operator %s does not fit a %s and a %s", op, typeName(x), typeName(y))
	}
	return in.floatOp(op, a, b)
}

func isMarkup(v any) bool { _, ok := v.(markup); return ok }

// concat is x + y of strings, lists and tuples.
func (in *interp) concat(x, y any) (any, bool) {
	switch a := x.(type) {
	case string, markup:
		s, _ := text(a)
		t, ok := text(y)
		if !ok {
			return nil, false
		}
		if isMarkup(x) || isMarkup(y) {
			s, t := in.escape(x), in.escape(y)
			in.alloc(len(s) + len(t))
			return markup(s + t), true
		}
		in.alloc(len(s) + len(t))
		return s + t, true
	case *list:
		if b, ok := y.(*list); ok {
			in.items(len(a.items) + len(b.items))
			return &list{append(a.items[:len(a.items):len(a.items)], b.items...)}, true
		}
	case *tuple:
		if b, ok := y.(*tuple); ok {
			in.items(len(a.items) + len(b.items))
			return &tuple{items: append(a.items[:len(a.items):len(a.items)], b.items...)}, true
		}
	}
	return nil, false
}

// repeat is x * n of strings, lists and tuples.
func (in *interp) repeat(x, n any) (any, bool) {
	count, _ := index(n)
	count = max(count, 0)
	repeated := func(items []any) []any {
		if len(items) == 0 || count == 0 {
			return nil
		}
		in.items(in.product(len(items), count))
		out := make([]any, 0, len(items)*count)
		for range count {
			out = append(out, items...)
		}
		return out
	}
	switch v := x.(type) {
	case string, markup:
		s, _ := text(v)
		if s == "" {
			return x, true
		}
		in.alloc(in.product(len(s), count))
		return like(x, strings.Repeat(s, count)), true
	case *list:
		return &list{repeated(v.items)}, true
	case *tuple:
		return &tuple{items: repeated(v.items)}, true
	}
	return nil, false
}

// product is a * b, or the largest int.
func (b *budget) product(x, y int) int {
	if x > 0 && y > math.MaxInt/x {
		return math.MaxInt
	}
	return x * y
}

// intOp is x op y unless the result may not fit.
func (in *interp) intOp(op string, x, y int64) (any, bool) {
	const small = 1 << 31
	switch op {
	case "+":
		if v := x + y; (v > x) == (y > 0) {
			return v, true
		}
	case "-":
		if v := x - y; (v < x) == (y > 0) {
			return v, true
		}
	case "*":
		if x > -small && x < small && y > -small && y < small {
			return x * y, true
		}
	case "//", "%":
		if y != 0 && y != -1 {
			q, r := x/y, x%y
			if r != 0 && (r < 0) != (y < 0) {
				q, r = q-1, r+y
			}
			if op == "%" {
				return r, true
			}
			return q, true
		}
	case "/":
		if const53 := int64(1) << 53; y != 0 && x < const53 && x > -const53 && y < const53 && y > -const53 {
			return float64(x) / float64(y), true
		}
	}
	return nil, false
}

func (in *interp) bigOp(op string, x, y *big.Int) any {
	r := new(big.Int)
	switch op {
	case "+":
		return in.bigResult(r.Add(x, y))
	case "-":
		return in.bigResult(r.Sub(x, y))
	case "*":
		return in.bigResult(r.Mul(x, y))
	case "**":
		if y.Sign() < 0 {
			a, _ := toFloat(x)
			b, _ := toFloat(y)
			return in.floatOp(op, a, b)
		}
		if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxIntBits || int64(x.BitLen()-1)*y.Int64() > maxIntBits) {
			fail(in.line, ErrLimit, "an integer of more than %d bits", maxIntBits)
		}
		if x.BitLen() <= 1 { // 0, 1 and -1
			y = new(big.Int).SetUint64(uint64(y.Bit(0)) + uint64(min(y.BitLen(), 1))*2)
		}
		return in.bigResult(r.Exp(x, y, nil))
	}
	if y.Sign() == 0 {
		in.fail("division by zero")
	}
	switch op {
	case "/":
		if x.Sign() == 0 && y.Sign() < 0 {
			return math.Copysign(0, -1)
		}
		f, _ := new(big.Rat).SetFrac(x, y).Float64()
		if math.IsInf(f, 0) {
			in.fail("an integer division is too large for a float")
		}
		return f
	}
	q, m := new(big.Int).DivMod(x, y, new(big.Int)) // Euclidean: m >= 0
	if m.Sign() != 0 && y.Sign() < 0 {
		m.Add(m, y)
		q.Sub(q, big.NewInt(1))
	}
	if op == "%" {
		return normalizeInt(m)
	}
	return normalizeInt(q)
}

func (in *interp) floatOp(op string, x, y float64) any {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "**":
		switch {
		case x == 0 && y < 0:
			in.fail("zero to a negative power")
		case x < 0 && y != math.Floor(y) && !math.IsInf(x, 0):
			fail(in.line, ErrUnsupported, "complex numbers are not supported")
		}
		in.step(1000) // of time: its roots
		v := power(x, y)
		if math.IsInf(v, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
			in.fail("the result of ** is too large")
		}
		return v
	}
	if y == 0 {
		in.fail("division by zero")
	}
	if op == "/" {
		return x / y
	}
	m := math.Mod(x, y)
	q := (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			q--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if op == "%" {
		return m
	}
	if q == 0 {
		return math.Copysign(0, x/y)
	}
	floor := math.Floor(q)
	if q-floor > 0.5 {
		floor++
	}
	return floor
}
