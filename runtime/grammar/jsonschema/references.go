package jsonschema

import (
	"net/url"
	"slices"
	"strings"
)

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

// references are what is known of the references of a document.
type references struct {
	bases     map[*value]*url.URL // addresses of the schemas that have one, and of the document
	addressed map[string]*value   // schemas by their addresses, and by their names there
	resolved  map[*value]*value   // what each $ref refers to
	draft4    bool                // an address is called id
}

// findReferences reads the addresses and names of a document's schemas.
func findReferences(root *value) *references {
	none := &url.URL{}
	r := &references{bases: map[*value]*url.URL{root: none}, addressed: map[string]*value{none.String(): root}, resolved: map[*value]*value{}}
	r.draft4 = ofDrafts(root, "draft-03", "draft-04")
	r.find(root, none, false)
	return r
}

// find notes the schemas within one, or within an object that has schemas by names, that have an address or a name. Ids are relative to base.
func (r *references) find(at *value, base *url.URL, byName bool) {
	if !byName {
		base = r.address(at, base)
		if name := anchorOf(at); name != "" {
			r.addressed[base.String()+"#"+name] = at
		}
	}
	for _, e := range at.list {
		r.find(e, base, false)
	}
	for _, k := range at.keys {
		if byName || !slices.Contains([]string{"enum", "const", "default", "examples", "example"}, k) {
			r.find(at.get(k), base, !byName && slices.Contains([]string{"$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependencies"}, k))
		}
	}
}

// address notes the address of a schema, if it has one, and returns what references in it are relative to. An id, as zod names schemas, is an address that
// others may refer to; references in its schema are relative to it in draft 4 alone.
func (r *references) address(at *value, base *url.URL) *url.URL {
	for _, keyword := range []string{"id", "$id"} {
		id := at.get(keyword)
		if id == nil || id.kind != isString || strings.HasPrefix(id.text, "#") {
			continue
		}
		to, err := base.Parse(id.text)
		if err != nil { // it is no address
			continue
		}
		to.Fragment, to.RawFragment = "", ""
		r.addressed[to.String()] = at
		if keyword == "$id" || r.draft4 {
			base, r.bases[at] = to, to
		}
	}
	return base
}

// base returns what references at a place are relative to.
func (r *references) base(at *value) *url.URL {
	for r.bases[at] == nil {
		at = at.parent
	}
	return r.bases[at]
}

// resolve returns what a $ref refers to: a schema by its address, or by its name there, or a place within one.
func (c *compiler) resolve(ref *value) (*value, error) {
	if ref.kind != isString {
		return nil, errorf(ref, "a reference is a string")
	}
	if c.references == nil {
		c.references = findReferences(c.root)
	}
	if known := c.references.resolved[ref]; known != nil {
		return known, nil
	}
	from := ref.parent
	if c.refAlone && from != c.root { // an id beside $ref is passed over
		from = from.parent
	}
	to, pointer, _ := strings.Cut(ref.text, "#")
	address, err := c.references.base(from).Parse(to)
	if err != nil {
		return nil, errorf(ref, "the reference %q is no URI", ref.text)
	}
	key := address.String()
	if pointer != "" && pointer[0] != '/' {
		key, pointer = key+"#"+pointer, ""
	}
	at := c.references.addressed[key]
	if at == nil {
		return nil, errorf(ref, "the reference %q is not to a place within the schema, such as #/$defs/name", ref.text)
	}
	if at, err = within(at, ref, pointer); err == nil {
		c.references.resolved[ref] = at
	}
	return at, err
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
