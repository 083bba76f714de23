package jsonschema

import (
	"net/url"
	"strings"
)

// idOf returns the address of a schema, which is what references in it are relative to; draft 4 calls it id. Without one it is empty.
func idOf(at *value) string {
	for _, keyword := range []string{"$id", "id"} {
		if id := at.get(keyword); id != nil && id.kind == isString && !strings.HasPrefix(id.text, "#") {
			return id.text
		}
	}
	return ""
}

// anchorOf returns the name of a schema, which drafts 4 to 7 write as an id; empty: it has none.
func anchorOf(at *value) string {
	if a := at.get("$anchor"); a != nil && a.kind == isString {
		return a.text
	}
	for _, keyword := range []string{"$id", "id"} {
		if id := at.get(keyword); id != nil && id.kind == isString && strings.HasPrefix(id.text, "#") {
			return id.text[1:]
		}
	}
	return ""
}

// address returns what references at a place are relative to: the ids of the schemas that it is in.
func address(at *value) *url.URL {
	base := &url.URL{}
	if at.parent != nil {
		base = address(at.parent)
	}
	id := idOf(at)
	if id == "" {
		return base
	}
	to, err := base.Parse(id)
	if err != nil { // it is no address
		return base
	}
	to.Fragment, to.RawFragment = "", ""
	return to
}

// findAddressed notes the schemas within one that have an address or a name.
func (c *compiler) findAddressed(at *value) {
	if idOf(at) != "" {
		c.addressed[address(at).String()] = at
	}
	if name := anchorOf(at); name != "" {
		c.addressed[address(at).String()+"#"+name] = at
	}
	for _, e := range at.list {
		c.findAddressed(e)
	}
	for _, k := range at.keys {
		if k != "enum" && k != "const" && k != "default" && k != "examples" && k != "example" {
			c.findAddressed(at.get(k))
		}
	}
}

// resolve returns what a $ref refers to: a schema by its address, or by its name there, or a place within one.
func (c *compiler) resolve(ref *value) (*value, error) {
	if ref.kind != isString {
		return nil, errorf(ref, "a reference is a string")
	}
	if c.addressed == nil {
		c.addressed = map[string]*value{address(c.root).String(): c.root}
		c.findAddressed(c.root)
	}
	from := ref.parent
	if c.refAlone && from != c.root { // an id beside $ref is passed over
		from = from.parent
	}
	to, pointer, _ := strings.Cut(ref.text, "#")
	url, err := address(from).Parse(to)
	if err != nil {
		return nil, errorf(ref, "the reference %q is no URI", ref.text)
	}
	key := url.String()
	if pointer != "" && pointer[0] != '/' {
		key, pointer = key+"#"+pointer, ""
	}
	at := c.addressed[key]
	if at == nil {
		return nil, errorf(ref, "the reference %q is not to a place within the schema, such as #/$defs/name", ref.text)
	}
	return within(at, ref, pointer)
}

// within returns what a JSON Pointer of a reference leads to.
func within(at, ref *value, pointer string) (*value, error) {
	for _, name := range strings.Split(pointer, "/")[1:] {
		name, ok := unescape(name)
		if !ok {
			return nil, errorf(ref, "the reference %q is no JSON Pointer", ref.text)
		}
		var next *value
		if at.kind == isArray {
			for _, e := range at.list {
				if e.name == name {
					next = e
				}
			}
		} else {
			next = at.get(name)
		}
		if next == nil {
			return nil, errorf(ref, "the schema has nothing at %q", ref.text)
		}
		at = next
	}
	return at, nil
}

// unescape returns a name of a JSON Pointer in a URI fragment.
func unescape(name string) (string, bool) {
	name, err := url.PathUnescape(name)
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), err == nil
}
