package jsonschema

// dependencies are keywords of what an object with a member is valid against.
var dependencies = []string{"dependencies", "dependentRequired", "dependentSchemas"}

// needs returns the schema of objects with a member.
func (c *compiler) needs(d *value, name string) *value {
	switch needs := d.get(name); needs.kind {
	case isArray:
		return c.made(d, map[string]*value{"required": needs})
	case isString: // of draft 3
		return c.present(d, needs.text)
	default:
		return needs
	}
}

// conditions returns the choices that a schema's keywords besides anyOf and oneOf come to.
func (c *compiler) conditions(at *value) (choices []*value, err error) {
	if known, ok := c.conditional[at]; ok {
		return known, nil
	}
	if s := at.get("not"); s != nil {
		n, err := c.negate(s, 0)
		if err != nil {
			return nil, err
		}
		choices = append(choices, n)
	}
	if s := at.get("if"); s != nil && (at.get("then") != nil || at.get("else") != nil) {
		n, err := c.negate(s, 0)
		if err != nil {
			return nil, err
		}
		branch := func(keyword string, condition *value) *value {
			if b := at.get(keyword); b != nil {
				return c.every(s, condition, b)
			}
			return condition
		}
		choices = append(choices, c.any(s, branch("then", s), branch("else", n)))
	}
	for _, keyword := range dependencies {
		d := at.get(keyword)
		if d == nil {
			continue
		}
		for _, name := range d.keys {
			choices = append(choices, c.any(d, c.absent(d, name), c.every(d, c.present(d, name), c.needs(d, name))))
		}
	}
	c.conditional[at] = choices
	return choices, nil
}
