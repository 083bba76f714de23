package jsonschema

import (
	"math/big"
	"slices"
)

// validAll reports whether a value validates against all of the schemas.
func (c *compiler) validAll(v *value, a all) (bool, error) {
	return c.valid(v, a, 0)
}

func (c *compiler) valid(v *value, a all, depth int) (bool, error) {
	if len(a) == 0 {
		return true, nil
	}
	if depth > maxDepth {
		return false, errorf(a[0].at, "the schema refers to itself without end")
	}
	f, err := c.flattenWith(a, false)
	if err != nil || f.never {
		return false, err
	}
	for _, e := range f.plain {
		if ok, err := c.validPlain(v, e.at, depth); !ok || err != nil {
			return false, err
		}
	}
	for _, e := range f.choices {
		keyword := "anyOf"
		if e.part == oneOf {
			keyword = "oneOf"
		}
		n := 0
		for _, alternative := range e.at.get(keyword).list {
			ok, err := c.valid(v, all{{alternative, whole}}, depth+1)
			if err != nil {
				return false, err
			}
			if ok {
				n++
			}
		}
		if n == 0 || n > 1 && e.part == oneOf {
			return false, nil
		}
	}
	return true, nil
}

// typeOf returns the type of a value.
func typeOf(v *value) types {
	switch v.kind {
	case isNull:
		return nullType
	case isTrue, isFalse:
		return booleanType
	case isNumber:
		if r, _ := number(v.text); r.IsInt() {
			return integerType
		}
		return fractionType
	case isString:
		return stringType
	case isArray:
		return arrayType
	}
	return objectType
}

func (c *compiler) validPlain(v *value, at *value, depth int) (bool, error) {
	if typesOf(at)&typeOf(v) == 0 {
		return false, nil
	}
	if err := c.spend(at, 1); err != nil {
		return false, err
	}
	if at.others {
		return c.validOther(v, at)
	}
	if ok, err := c.validConditions(v, at, depth); !ok || err != nil {
		return false, err
	}
	if e := at.get("const"); e != nil && !equal(e, v) {
		return false, nil
	}
	if e := at.get("enum"); e != nil && (depth > 0 || !c.listed) {
		found := false
		if err := c.spend(at, len(e.list)); err != nil {
			return false, err
		}
		for _, x := range e.list {
			found = found || equal(x, v)
		}
		if !found {
			return false, nil
		}
	}
	switch v.kind {
	case isNumber:
		return c.validNumber(v, at)
	case isString:
		t := text{most: -1}
		t.add(at)
		return c.hasText(&t, v.text)
	case isArray:
		return c.validArray(v, at, depth)
	case isObject:
		return c.validObject(v, at, depth)
	}
	return true, nil
}

func (c *compiler) validNumber(v, at *value) (bool, error) {
	r, _ := number(v.text)
	var n interval
	if err := n.add(at); err != nil {
		return false, err
	}
	return n.has(r), nil
}

func (n *interval) has(r *big.Rat) bool {
	if n.low != nil && (r.Cmp(n.low) < 0 || n.openLow && r.Cmp(n.low) == 0) {
		return false
	}
	if n.high != nil && (r.Cmp(n.high) > 0 || n.openHigh && r.Cmp(n.high) == 0) {
		return false
	}
	return n.multiple.has(r) && (!n.whole || r.IsInt())
}

func (c *compiler) validArray(v, at *value, depth int) (bool, error) {
	if m := at.get("minItems"); m != nil && len(v.list) < countOf(m) {
		return false, nil
	}
	if m := at.get("maxItems"); m != nil && len(v.list) > countOf(m) {
		return false, nil
	}
	if u := at.get("uniqueItems"); u != nil && u.kind == isTrue {
		if ok, err := c.different(at, v.list); !ok || err != nil {
			return false, err
		}
	}
	if ok, err := c.validContains(v, at, depth); !ok || err != nil {
		return false, err
	}
	prefix, rest := itemsOf(at)
	for i, e := range v.list {
		s := rest
		if i < len(prefix) {
			s = prefix[i]
		}
		if s == nil {
			continue
		}
		if ok, err := c.valid(e, all{{s, whole}}, depth+1); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *compiler) validObject(v, at *value, depth int) (bool, error) {
	if m := at.get("minProperties"); m != nil && len(v.keys) < countOf(m) {
		return false, nil
	}
	if m := at.get("maxProperties"); m != nil && len(v.keys) > countOf(m) {
		return false, nil
	}
	if r := at.get("required"); r != nil {
		for _, k := range r.list {
			if v.get(k.text) == nil {
				return false, nil
			}
		}
	}
	if refusesUnevaluated(at) {
		return false, errorf(at.get("unevaluatedProperties"), "unevaluatedProperties is not supported with an enum or a const")
	}
	for _, k := range v.keys {
		if n := at.get("propertyNames"); n != nil {
			if ok, err := c.valid(&value{kind: isString, text: k}, all{{n, whole}}, depth+1); !ok || err != nil {
				return false, err
			}
		}
		schemas, err := c.memberSchemas(at, k)
		if err != nil {
			return false, err
		}
		for _, s := range schemas {
			if ok, err := c.valid(v.get(k), all{{s, whole}}, depth+1); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// validOther reports whether a string is none of an enum, or matches a pattern for no reader.
func (c *compiler) validOther(v, at *value) (bool, error) {
	if p := at.get("pattern"); p != nil {
		n, err := c.namePattern(p, p.text)
		return err == nil && !n.wide.Match(v.text), err
	}
	return !slices.ContainsFunc(at.get("enum").list, func(x *value) bool { return equal(x, v) }), nil
}

// validConditions reports whether a value is valid against the keywords that conditions writes in others.
func (c *compiler) validConditions(v, at *value, depth int) (bool, error) {
	valid := func(s *value) (bool, error) {
		if s == nil {
			return true, nil
		}
		return c.valid(v, all{{s, whole}}, depth+1)
	}
	if s := at.get("not"); s != nil {
		if ok, err := valid(s); ok || err != nil {
			return false, err
		}
	}
	if s := at.get("if"); s != nil {
		ok, err := valid(s)
		if err != nil {
			return false, err
		}
		branch := at.get("else")
		if ok {
			branch = at.get("then")
		}
		if ok, err := valid(branch); !ok || err != nil {
			return false, err
		}
	}
	for _, keyword := range dependencies {
		d := at.get(keyword)
		if d == nil || v.kind != isObject {
			continue
		}
		for _, name := range d.keys {
			if v.get(name) == nil {
				continue
			}
			if ok, err := valid(c.needs(d, name)); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
