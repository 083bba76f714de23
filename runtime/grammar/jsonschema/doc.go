// Package jsonschema makes grammars of JSON Schemas: what a model writes within such a grammar validates against the schema.
//
//	g, err := jsonschema.Grammar([]byte(`{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}`))
//
// [Value] and [Object] are the grammars of any JSON value and of any object. [For] makes a schema of a Go type.
//
// A keyword of JSON Schema that is not supported is an error, an [Error], that names the place of the schema as a JSON Pointer; only annotations, such as
// title and description, and names that are no keywords mean nothing. Properties come in the order in which the schema has them; those that are not
// required may be left out. An object with properties has no others, unless additionalProperties says so.
//
// White space is fixed: one space after a colon and after a comma, as Python's json.dumps writes it and as chat templates show models
// their tools. So a model cannot write white space without end, and more of the text is known beforehand.
package jsonschema
