package jsonschema

import "strconv"

// negate returns a schema of what does not validate against another: of all of it, or of a part.
func (c *compiler) negate(s *value, depth int) (*value, error) {
	if n := c.negations[s]; n != nil {
		return n, nil
	}
	if depth > maxExclusive {
		return nil, errorf(s, "not is not supported of a schema that is nested so deep")
	}
	switch s.kind {
	case isTrue:
		return c.constant(s, isFalse), nil
	case isFalse:
		return c.constant(s, isTrue), nil
	case isObject:
	default:
		return nil, errorf(s, "a schema is an object, true or false")
	}
	if err := c.check(s); err != nil {
		return nil, err
	}
	if err := c.spend(s, 1); err != nil {
		return nil, err
	}
	var ways []*value // to be invalid
	told, untold := false, ""
	keys := s.keys
	if s.get("$ref") != nil && c.refAlone { // what stands beside it may count, or not
		keys = []string{"$ref"}
	}
	for _, k := range keys {
		found, ok, err := c.negateKeyword(k, s, depth)
		if err != nil {
			return nil, err
		}
		if !ok {
			untold = k
		}
		told = told || k != "type" && len(found) > 0
		ways = append(ways, found...)
	}
	if untold != "" && !told {
		return nil, errorf(s.get(untold), "what does not validate against %s is not supported: not, if, maxContains, and oneOf of alternatives that overlap need it", untold)
	}
	n := c.any(s, ways...)
	c.negations[s] = n
	return n, nil
}

// negateKeyword returns schemas of what is invalid because of a keyword, and whether that is known.
func (c *compiler) negateKeyword(k string, s *value, depth int) (ways []*value, ok bool, err error) {
	v := s.get(k)
	switch k {
	case "type":
		t := typesOf(s)
		return c.ofTypes(s, anyType&^t), t != integerType, nil // of integers alone, fractions are most of what is left
	case "enum":
		return c.otherThan(s, v.list), true, nil
	case "const":
		return c.otherThan(s, []*value{v}), true, nil
	case "pattern":
		w := c.made(s, map[string]*value{k: v})
		w.others = true
		return []*value{w}, true, nil
	case "required":
		object := c.ofTypes(s, objectType)[0]
		for _, name := range v.list {
			ways = append(ways, c.every(s, object, c.absent(s, name.text)))
		}
		return ways, true, nil
	case "properties":
		return c.negateProperties(s, v, depth)
	case "unevaluatedProperties":
		return nil, false, errorf(v, "what does not validate against %s is not supported", k)
	case "not", "anyOf", "allOf", "$ref":
		return c.negateSchemas(k, s, depth)
	}
	if ways, ok = c.negateBound(k, s); ok {
		return ways, true, nil
	}
	_, followed := keywords[k]
	return nil, !followed || k == "nullable" || k == "then" || k == "else", nil
}

// negateProperties returns schemas of objects with a member that is invalid, for each whose invalid values are known, and whether those of all are.
func (c *compiler) negateProperties(s, properties *value, depth int) (ways []*value, ok bool, err error) {
	object := c.ofTypes(s, objectType)[0]
	ok = true
	for _, name := range properties.keys {
		n, err := c.negate(properties.get(name), depth+1)
		switch {
		case c.ctx.Err() != nil:
			return nil, false, err
		case err != nil: // there may be other ways
			ok = false
		case n.kind != isFalse:
			ways = append(ways, c.every(s, object, c.present(s, name), c.member(s, name, n)))
		}
	}
	return ways, ok, nil
}

// negateSchemas returns schemas of what is invalid because of a keyword whose value is schemas for the same instance, and whether that is known.
func (c *compiler) negateSchemas(k string, s *value, depth int) (ways []*value, ok bool, err error) {
	v := s.get(k)
	switch k {
	case "not":
		if c.unevaluated { // of members that a schema under not speaks of, unevaluatedProperties knows nothing
			return nil, false, nil
		}
		return []*value{v}, true, nil
	case "$ref":
		to, err := c.resolve(v)
		if err != nil {
			return nil, false, err
		}
		v = listing(to)
	}
	for _, e := range v.list {
		n, err := c.negate(e, depth+1)
		if err != nil {
			return nil, false, err
		}
		ways = append(ways, n)
	}
	if k == "anyOf" {
		ways = []*value{c.every(s, ways...)}
	}
	return ways, true, nil
}

// negateBound returns schemas of what is beyond a bound of lengths or of numbers, and whether the keyword is one.
func (c *compiler) negateBound(k string, s *value) (ways []*value, ok bool) {
	v := s.get(k)
	of := func(keywords map[string]*value) []*value { return []*value{c.made(s, keywords)} }
	counted := func(t, keyword string, by int) []*value {
		n := countOf(v) + by
		if n < 0 {
			return nil
		}
		return of(map[string]*value{"type": texts(t), keyword: {kind: isNumber, text: strconv.Itoa(n)}})
	}
	bounded := func(keyword string) []*value { return of(map[string]*value{"type": texts("number"), keyword: v}) }
	switch k {
	case "minLength":
		return counted("string", "maxLength", -1), true
	case "maxLength":
		return counted("string", "minLength", 1), true
	case "minItems":
		return counted("array", "maxItems", -1), true
	case "maxItems":
		return counted("array", "minItems", 1), true
	case "minProperties":
		return counted("object", "maxProperties", -1), true
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return c.outside(k, s, bounded), true
	}
	return nil, false
}

// outside returns the numbers that a bound leaves out.
func (c *compiler) outside(k string, s *value, bounded func(keyword string) []*value) []*value {
	open := func(keyword string) bool { e := s.get(keyword); return e != nil && e.kind == isTrue } // draft 4
	switch {
	case s.get(k).kind != isNumber:
		return nil
	case k == "minimum" && !open("exclusiveMinimum"):
		return bounded("exclusiveMaximum")
	case k == "maximum" && !open("exclusiveMaximum"):
		return bounded("exclusiveMinimum")
	case k == "minimum" || k == "exclusiveMinimum":
		return bounded("maximum")
	}
	return bounded("minimum")
}

// otherThan returns schemas of what is none of some values. Lists and objects are left out where one is among those.
func (c *compiler) otherThan(at *value, values []*value) (ways []*value) {
	const maxNumbers = 4
	held := map[types][]*value{}
	rest := anyType
	for _, v := range values {
		t := typeOf(v)
		if t&numberType != 0 {
			t = numberType
		}
		held[t] = append(held[t], v)
		rest &^= t
	}
	ways = c.ofTypes(at, rest)
	if strings := held[stringType]; len(strings) > 0 {
		w := c.made(at, map[string]*value{"enum": listing(strings...)})
		w.others = true
		ways = append(ways, w)
	}
	if b := held[booleanType]; len(b) == 1 {
		other := isTrue
		if b[0].kind == isTrue {
			other = isFalse
		}
		ways = append(ways, c.made(at, map[string]*value{"const": {kind: other}}))
	}
	if numbers := held[numberType]; len(numbers) > 0 && len(numbers) <= maxNumbers {
		var sides []*value
		for _, n := range numbers {
			below := c.made(at, map[string]*value{"type": texts("number"), "exclusiveMaximum": n})
			sides = append(sides, c.any(at, below, c.made(at, map[string]*value{"type": texts("number"), "exclusiveMinimum": n})))
		}
		ways = append(ways, c.every(at, sides...))
	}
	return ways
}
