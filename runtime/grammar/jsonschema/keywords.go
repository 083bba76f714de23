package jsonschema

import "slices"

// keyword is what is known of a keyword that is followed.
type keyword struct {
	about types                 // it counts for instances of these only; none: for all
	is    func(v *value) string // what a value of it should be and is not; nil: it is any, or a schema
}

// keywords are those that are followed.
var keywords = map[string]keyword{
	"$ref":     {is: str},
	"type":     {is: typeList},
	"nullable": {is: boolean},
	"enum":     {is: list},
	"const":    {},

	"allOf": {is: schemas},
	"anyOf": {is: schemas},
	"oneOf": {is: schemas},
	"not":   {},
	"if":    {},
	"then":  {},
	"else":  {},

	"properties":            {objectType, object},
	"required":              {objectType, nameList},
	"patternProperties":     {objectType, object},
	"additionalProperties":  {objectType, nil},
	"unevaluatedProperties": {objectType, boolean},
	"propertyNames":         {objectType, nil},
	"minProperties":         {objectType, count},
	"maxProperties":         {objectType, count},
	"dependencies":          {objectType, object},
	"dependentRequired":     {objectType, object},
	"dependentSchemas":      {objectType, object},

	"items":           {arrayType, nil},
	"prefixItems":     {arrayType, list},
	"additionalItems": {arrayType, nil},
	"minItems":        {arrayType, count},
	"maxItems":        {arrayType, count},
	"uniqueItems":     {arrayType, boolean},
	"contains":        {arrayType, nil},
	"minContains":     {arrayType, count},
	"maxContains":     {arrayType, count},

	"minLength": {stringType, count},
	"maxLength": {stringType, count},
	"pattern":   {stringType, str},
	"format":    {stringType, str},

	"minimum":          {numberType, num},
	"maximum":          {numberType, num},
	"exclusiveMinimum": {numberType, limit},
	"exclusiveMaximum": {numberType, limit},
	"multipleOf":       {numberType, num},
}

func typeList(v *value) string {
	if v.kind == isArray && len(v.list) > 0 || v.kind == isString {
		return ""
	}
	return "a type or a list of types"
}

func nameList(v *value) string {
	if v.kind == isArray && !slices.ContainsFunc(v.list, func(e *value) bool { return e.kind != isString }) {
		return ""
	}
	return "a list of names"
}

func str(v *value) string {
	if v.kind == isString {
		return ""
	}
	return "a string"
}

func boolean(v *value) string {
	if v.kind == isTrue || v.kind == isFalse {
		return ""
	}
	return "true or false"
}

func list(v *value) string {
	if v.kind == isArray {
		return ""
	}
	return "a list"
}

func schemas(v *value) string {
	if v.kind == isArray && len(v.list) > 0 {
		return ""
	}
	return "a list of schemas"
}

func object(v *value) string {
	if v.kind == isObject {
		return ""
	}
	return "an object"
}

func num(v *value) string {
	if v.kind == isNumber {
		return ""
	}
	return "a number"
}

func limit(v *value) string {
	if v.kind == isNumber {
		return ""
	}
	return boolean(v) // of draft 4 and OpenAPI 3.0
}

// maxCount bounds lengths and numbers of items.
const maxCount = 1 << 20

func count(v *value) string {
	if v.kind == isNumber {
		if n, err := number(v.text); err == nil && n.IsInt() && n.Sign() >= 0 {
			return ""
		}
	}
	return "a whole number of 0 or more"
}

// countOf returns a number that count has checked, at most maxCount.
func countOf(v *value) int {
	n, _ := number(v.text)
	if !n.Num().IsInt64() || n.Num().Int64() > maxCount {
		return maxCount
	}
	return int(n.Num().Int64())
}

// check reports keywords of a schema that are wrong or not supported.
func (c *compiler) check(at *value) error {
	if c.checked[at] {
		return nil
	}
	c.checked[at] = true
	said := len(at.keys) == 0
	for _, k := range at.keys {
		v := at.get(k)
		keyword, known := keywords[k]
		said = said || known || slices.Contains(annotations, k)
		if !known {
			if err := checkUnknown(k, v); err != nil {
				return err
			}
			continue
		}
		if keyword.is != nil {
			if want := keyword.is(v); want != "" {
				return errorf(v, "%s is %s", k, want)
			}
		}
		if err := checkValue(k, v, at); err != nil {
			return err
		}
	}
	if !said { // an example of an instance, perhaps
		return errorf(at, "it is no JSON Schema: it has no keyword of one, such as type or properties")
	}
	return nil
}

// checkValue reports values of keywords that are not supported.
func checkValue(k string, v, at *value) error {
	switch k {
	case "dependencies", "dependentRequired":
		for _, name := range v.keys {
			if n := v.get(name); n.kind == isArray && str(n) != "" && nameList(n) != "" {
				return errorf(n, "%s is a list of names", name)
			}
		}
	case "multipleOf":
		if _, ok := multipleOf(v); !ok {
			return errorf(v, "multipleOf is supported up to %d, also with a decimal point before the last digits, such as 0.25", maxStep)
		}
	case "minLength", "minItems", "minContains", "minProperties":
		if countOf(v) == maxCount {
			return errorf(v, "%s is supported below %d", k, maxCount)
		}
	case "type":
		for _, t := range append(v.list, v) {
			if t.kind != isArray && typeNames[t.text] == 0 {
				return errorf(v, "%q is no type: there are null, boolean, integer, number, string, array and object", t.text)
			}
		}
	case "pattern":
		if _, err := parsePattern(v.text); err != nil {
			return errorf(v, "the pattern %.100q is not supported: %v", v.text, err)
		}
	case "patternProperties":
		for _, k := range v.keys {
			if _, err := parsePattern(k); err != nil {
				return errorf(v.get(k), "the pattern %.100q is not supported: %v", k, err)
			}
		}
	case "format":
		if formatOf(v.text) == nil && !hasPattern(at) {
			return errorf(v, "the format %q is not supported: there are %s, those of pydantic and zod, and any with a pattern beside it", v.text, knownFormats())
		}
	}
	return nil
}

// hasPattern reports whether a schema has a pattern, which says what a format is that is not known: zod names many so.
func hasPattern(at *value) bool {
	found := at.get("pattern") != nil
	if all := at.get("allOf"); all != nil {
		for _, e := range all.list {
			found = found || e.get("pattern") != nil
		}
	}
	return found
}
