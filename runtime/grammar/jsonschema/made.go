package jsonschema

import "slices"

// Conditional keywords and negations are written in other keywords, in schemas that no document has.

// made returns a schema of some keywords, for the place of another.
func (c *compiler) made(at *value, keywords map[string]*value) *value {
	v := c.constant(at, isObject)
	v.by = keywords
	for k := range keywords {
		v.keys = append(v.keys, k)
	}
	slices.Sort(v.keys)
	return v
}

// constant returns a schema that all is valid against, or nothing.
func (c *compiler) constant(at *value, k kind) *value {
	c.count++
	return &value{kind: k, id: maxValues + c.count, parent: at.parent, name: at.name, made: true}
}

func listing(values ...*value) *value { return &value{kind: isArray, list: values} }

func texts(values ...string) *value {
	list := listing()
	for _, text := range values {
		list.list = append(list.list, &value{kind: isString, text: text})
	}
	return list
}

// every returns a schema of what is valid against all of some.
func (c *compiler) every(at *value, schemas ...*value) *value {
	return c.made(at, map[string]*value{"allOf": listing(schemas...)})
}

// any returns a schema of what is valid against any of some.
func (c *compiler) any(at *value, schemas ...*value) *value {
	if len(schemas) == 0 {
		return c.constant(at, isFalse)
	}
	return c.made(at, map[string]*value{"anyOf": listing(schemas...)})
}

// member returns a schema of objects whose member, if they have it, is valid against a schema.
func (c *compiler) member(at *value, name string, schema *value) *value {
	return c.made(at, map[string]*value{"properties": {kind: isObject, keys: []string{name}, by: map[string]*value{name: schema}}})
}

func (c *compiler) absent(at *value, name string) *value {
	return c.member(at, name, c.constant(at, isFalse))
}

func (c *compiler) present(at *value, names ...string) *value {
	return c.made(at, map[string]*value{"required": texts(names...)})
}

// ofTypes returns the schema of some types; without numbers where only some of those belong to them. None: there is no type.
func (c *compiler) ofTypes(at *value, t types) []*value {
	var names []string
	for _, name := range []string{"null", "boolean", "number", "string", "array", "object"} {
		if n := typeNames[name]; t&n == n {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []*value{c.made(at, map[string]*value{"type": texts(names...)})}
}
