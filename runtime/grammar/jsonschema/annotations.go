package jsonschema

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// annotations are keywords that say nothing about whether an instance is valid.
var annotations = []string{
	"title", "description", "default", "examples", "example", "$schema", "$id", "id", "$comment", "$defs", "definitions", "deprecated", "readOnly", "writeOnly",
	"contentEncoding", "contentMediaType", "contentSchema", "discriminator", "externalDocs", "xml", "$vocabulary", "$anchor", "$dynamicAnchor",
	"propertyOrdering", "enumNames",
}

// unsupported are the keywords of JSON Schema, of any draft, that are not followed.
var unsupported = []string{
	"unevaluatedItems", "$dynamicRef", "$recursiveRef", "$recursiveAnchor", "extends", "disallow", "divisibleBy",
}

// boundNames are those that authors give a bound, too far from the keyword to be a misspelling.
var boundNames = map[string]string{"min": "minimum, minLength or minItems", "max": "maximum, maxLength or maxItems"}

// checkUnknown returns why a keyword that is not followed cannot be passed over; nil: no draft of JSON Schema has it, so it is an annotation, as the
// standard says. What looks like a slip is none, because what it means would be lost.
func checkUnknown(k string, v *value) error {
	switch {
	case slices.Contains(annotations, k), strings.HasPrefix(k, "x-"):
		return nil
	case slices.Contains(unsupported, k):
		return errorf(v, "the keyword %s is not supported", k)
	case strings.HasPrefix(k, "_"): // so authors put one aside
		return nil
	}
	if meant := boundNames[k]; meant != "" && v.kind == isNumber {
		return errorf(v, "%q is no keyword of JSON Schema: is it %s that is meant?", k, meant)
	}
	if meant := nearKeyword(k); meant != "" {
		return errorf(v, "%q is no keyword of JSON Schema: is it %s that is meant?", k, meant)
	}
	if v.kind == isObject && (v.get("$ref") != nil || v.get("type") != nil && typeNames[v.get("type").text] != 0) {
		return errorf(v, "%q is no keyword of JSON Schema, but has a schema: a property stands in properties", k)
	}
	return nil
}

// nearKeyword returns the keyword that a name is a misspelling of; empty: of none.
func nearKeyword(name string) string {
	const letters = 4 // so many for each that is wrong
	nearest, least := "", 0
	near := func(keyword string) {
		d := levenshtein.ComputeDistance(strings.ToLower(strings.TrimSpace(name)), strings.ToLower(keyword))
		if d <= len(keyword)/letters && len(keyword) >= letters && (nearest == "" || d < least || d == least && keyword < nearest) {
			nearest, least = keyword, d
		}
	}
	for k := range keywords {
		near(k)
	}
	for _, k := range unsupported {
		near(k)
	}
	return nearest
}
