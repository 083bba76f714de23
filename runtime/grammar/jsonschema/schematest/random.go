package schematest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Random returns a random schema. The same source gives the same one.
func Random(rng *rand.Rand) string {
	g := &random{rng: rng}
	s := g.schema(3)
	if len(g.defs) > 0 {
		s["$defs"] = g.defs
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type random struct {
	rng  *rand.Rand
	defs map[string]any
}

type object = map[string]any

func (g *random) pick(choices ...string) string { return choices[g.rng.IntN(len(choices))] }

// some reports true once in n times.
func (g *random) some(n int) bool { return g.rng.IntN(n) == 0 }

var names = []string{"name", "id", "a", "ab", "value", "é\"", "日本", "x/y", "a b", "kind"}

func (g *random) schema(depth int) object {
	if depth == 0 {
		return g.scalar()
	}
	switch g.rng.IntN(10) {
	case 0, 1, 2:
		return g.object(depth)
	case 3, 4:
		return g.array(depth)
	case 5:
		return object{"anyOf": []any{g.schema(depth - 1), g.schema(depth - 1)}}
	case 6:
		return g.oneOf(depth)
	case 7:
		return g.allOf(depth)
	case 8:
		return g.reference(depth)
	}
	return g.scalar()
}

func (g *random) scalar() object {
	switch g.rng.IntN(9) {
	case 0:
		return object{"type": "boolean", "description": "yes or no"}
	case 1:
		return object{"type": "null"}
	case 2:
		return g.enum()
	case 3:
		return object{"const": g.value(2)}
	case 4:
		return g.number("integer")
	case 5:
		return g.number("number")
	case 6:
		return object{"type": []string{g.pick("string", "boolean"), g.pick("null", "integer")}}
	case 7:
		return object{"type": "string", "format": g.pick("date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "uri", "duration", "hostname")}
	}
	return g.string()
}

func (g *random) string() object {
	s := object{"type": "string"}
	if g.some(2) {
		s["minLength"] = g.rng.IntN(4)
	}
	if g.some(2) {
		s["maxLength"] = 3 + g.rng.IntN(90)
	}
	if g.some(3) {
		s["pattern"] = g.pick(`^[a-z]+$`, `a`, `^a|b$`, `^\d{3}-\d{2,4}$`, `^[^a-z]*$`, `"`, `^(ab|cd)*e?$`, `é`,
			`^.{2,40}$`, `\s`, `^\S+$`, `^[\w.-]+@[\w-]+$`, `\\`, `x{0,3}y`)
		if m, ok := s["maxLength"].(int); ok && m < 10 {
			delete(s, "maxLength")
		}
	}
	return s
}

func (g *random) number(kind string) object {
	s := object{"type": kind}
	limit := func() json.Number {
		n := g.rng.IntN(2000) - 1000
		if kind == "number" && g.some(2) {
			return json.Number(fmt.Sprintf("%d.%d", n, g.rng.IntN(1000)))
		}
		return json.Number(fmt.Sprint(n * []int{1, 1, 100000}[g.rng.IntN(3)]))
	}
	if g.some(2) {
		s[g.pick("minimum", "exclusiveMinimum")] = limit()
	}
	if g.some(2) && len(s) == 1 {
		s[g.pick("maximum", "exclusiveMaximum")] = limit()
	}
	if g.some(4) { // a narrow range
		n := g.rng.IntN(400) - 200
		s = object{"type": kind, "minimum": n, g.pick("maximum", "exclusiveMaximum"): n + 1 + g.rng.IntN(30)}
	}
	if kind == "number" && g.some(6) {
		s["multipleOf"] = json.Number(g.pick("1", "0.1", "0.01", "5", "0.25", "1.2"))
	}
	return s
}

func (g *random) enum() object {
	n := 1 + g.rng.IntN(5)
	values := make([]any, n)
	for i := range values {
		values[i] = g.value(1)
	}
	return object{"enum": values}
}

func (g *random) value(depth int) any {
	switch g.rng.IntN(8) {
	case 0:
		return nil
	case 1:
		return g.some(2)
	case 2:
		return json.Number(g.pick("0", "-1", "3.25", "1e3", "12345678901"))
	case 3:
		if depth > 0 {
			return []any{g.value(depth - 1), g.value(depth - 1)}
		}
	case 4:
		if depth > 0 {
			return object{g.pick(names...): g.value(depth - 1)}
		}
	}
	return g.pick("red", "green", "", "a\"b\\c\n", "é日\u0001", "/")
}

func (g *random) object(depth int) object {
	properties := object{}
	var required []string
	for range g.rng.IntN(5) {
		name := g.pick(names...)
		if properties[name] == nil && g.some(2) {
			required = append(required, name)
		}
		properties[name] = g.schema(depth - 1)
	}
	s := object{"type": "object"}
	if len(properties) > 0 {
		s["properties"] = properties
	}
	if len(required) > 0 {
		s["required"] = required
	}
	switch g.rng.IntN(4) {
	case 0:
		s["additionalProperties"] = false
	case 1:
		s["additionalProperties"] = g.schema(depth - 1)
	}
	if g.some(6) && len(properties) > len(required) && s["additionalProperties"] != false {
		s["minProperties"] = len(required) + 1
	}
	if g.some(6) {
		s["maxProperties"] = len(required) + g.rng.IntN(4)
	}
	if g.some(8) && len(required) == 0 {
		s["propertyNames"] = object{"maxLength": 5}
	}
	if g.some(6) && len(properties) > 0 {
		g.condition(s, slices.Sorted(maps.Keys(properties)))
	}
	return s
}

// condition adds a condition on a property.
func (g *random) condition(s object, names []string) {
	a, b := g.pick(names...), g.pick(names...)
	is := object{"properties": object{a: g.pickSchema(object{"type": "string"}, g.enum(), object{"maximum": 50}, object{"pattern": "^a"})}}
	if g.some(2) {
		is["required"] = []string{a}
	}
	switch g.rng.IntN(4) {
	case 0:
		s["not"] = object{"required": slices.Compact([]string{a, b})}
	case 1:
		s["not"] = is
	case 2:
		s["if"], s["then"] = is, object{"required": []string{b}}
		if g.some(2) {
			s["else"] = object{"not": object{"required": []string{b}}}
		}
	case 3:
		s["dependentRequired"] = object{a: []string{b}}
	}
}

func (g *random) pickSchema(choices ...object) object { return choices[g.rng.IntN(len(choices))] }

func (g *random) array(depth int) object {
	s := object{"type": "array"}
	if g.some(3) {
		s["prefixItems"] = []any{g.schema(depth - 1), g.schema(depth - 1)}
		if g.some(2) {
			s["items"] = false
			s["maxItems"] = 1 + g.rng.IntN(3)
			return s
		}
	}
	if !g.some(4) {
		s["items"] = g.schema(depth - 1)
	}
	if g.some(4) {
		s["uniqueItems"] = true
	} else if g.some(5) {
		s["contains"] = g.scalar()
		if g.some(2) {
			s["minContains"] = g.rng.IntN(3)
		}
		if g.some(3) {
			s["maxContains"] = 2 + g.rng.IntN(2)
		}
		if g.some(2) {
			s["allOf"] = []any{object{"contains": g.scalar(), "minContains": g.rng.IntN(3)}}
		}
	}
	least := g.rng.IntN(3)
	if g.some(2) {
		s["minItems"] = least
	}
	if g.some(2) {
		s["maxItems"] = least + g.rng.IntN(80)
	}
	return s
}

func (g *random) oneOf(depth int) object {
	alternative := func(kind string) object {
		return object{"type": "object", "properties": object{"kind": object{"const": kind}, g.pick("v", "w"): g.schema(depth - 1)}, "required": []string{"kind"}}
	}
	choices := []any{alternative("one"), alternative("two"), object{"type": "string"}}
	return object{"oneOf": choices[:2+g.rng.IntN(2)], "discriminator": object{"propertyName": "kind"}}
}

func (g *random) allOf(depth int) object {
	a, b := g.object(depth), g.object(depth)
	for _, s := range []object{a, b} {
		delete(s, "additionalProperties")
		delete(s, "minProperties")
		delete(s, "maxProperties")
		delete(s, "propertyNames")
	}
	p, _ := a["properties"].(object)
	q, _ := b["properties"].(object)
	for name := range p {
		delete(q, name) // schemas of the same property rarely have a value in common
	}
	delete(b, "required")
	return object{"allOf": []any{a, b}}
}

func (g *random) reference(depth int) object {
	if len(g.defs) > 0 && g.some(2) {
		return object{"$ref": "#/$defs/" + g.pick(sorted(g.defs)...)}
	}
	if g.defs == nil {
		g.defs = object{}
	}
	name := fmt.Sprint("d", len(g.defs))
	g.defs[name] = true // until it is known
	if g.some(2) {      // a list
		next := object{"anyOf": []any{object{"$ref": "#/$defs/" + name}, object{"type": "null"}}}
		g.defs[name] = object{"type": "object", "properties": object{"item": g.schema(depth - 1), "next": next}, "required": []string{"item", "next"}}
	} else {
		g.defs[name] = g.schema(depth - 1)
	}
	return object{"$ref": "#/$defs/" + name, "title": strings.ToUpper(name)}
}

func sorted(m object) (keys []string) {
	for i := range len(m) {
		keys = append(keys, fmt.Sprint("d", i))
	}
	return keys
}
