package server

import (
	"encoding/json"
	"fmt"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// responseFormat is what an answer must be like, as OpenAI's requests say it: in the field response_format of a chat, or text.format of a response,
// where the fields of json_schema stand beside the type. llama.cpp takes a schema there with json_object, too.
type responseFormat struct {
	Type       string          `json:"type"`
	Schema     json.RawMessage `json:"schema"`
	JSONSchema *struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// grammar returns the grammar of answers; nil: any text will do.
func (f *responseFormat) grammar(path string) (*grammar.Grammar, error) {
	schema, at := f.Schema, join(path, "schema")
	if f.JSONSchema != nil {
		schema, at = f.JSONSchema.Schema, join(path, "json_schema.schema")
	}
	switch f.Type {
	case "", "text":
		return nil, nil
	case "json_object":
		if len(schema) == 0 {
			return jsonschema.Object(), nil
		}
		return schemaGrammar(schema, at)
	case "json_schema":
		if len(schema) == 0 {
			return nil, badField(at, "it is missing")
		}
		return schemaGrammar(schema, at)
	}
	return nil, badField(join(path, "type"), fmt.Sprintf("it is %q and must be text, json_object or json_schema", f.Type))
}

// schemaGrammar returns the grammar of a JSON Schema, which stands in the field of that name.
func schemaGrammar(schema json.RawMessage, field string) (*grammar.Grammar, error) {
	g, err := jsonschema.Grammar(schema)
	if err != nil {
		return nil, badField(field, err.Error())
	}
	return g, nil
}

// grammar returns the grammar of llama.cpp's fields grammar, in GBNF, and json_schema; nil: there is none.
func (o *openAISampling) grammar() (*grammar.Grammar, error) {
	var g *grammar.Grammar
	if o.Grammar != "" {
		parsed, err := grammar.ParseGBNF(o.Grammar)
		if err != nil {
			return nil, badField("grammar", err.Error())
		}
		g = parsed
	}
	return oneGrammar(g, "json_schema", func(field string) (*grammar.Grammar, error) {
		if len(o.JSONSchema) == 0 || string(o.JSONSchema) == "null" {
			return nil, nil
		}
		return schemaGrammar(o.JSONSchema, field)
	})
}

// oneGrammar returns the grammar of a field, or the one that other fields have asked for: only one may.
func oneGrammar(other *grammar.Grammar, field string, of func(field string) (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	g, err := of(field)
	switch {
	case err != nil || other == nil:
		return g, err
	case g != nil:
		return nil, badField(field, "another field says already what the answer must be like")
	}
	return other, nil
}

// formatGrammar returns the grammar of Ollama's field format: "json", or a schema; nil: there is none.
func formatGrammar(format json.RawMessage) (*grammar.Grammar, error) {
	var name string
	switch {
	case len(format) == 0:
		return nil, nil
	case json.Unmarshal(format, &name) != nil:
		return schemaGrammar(format, "format")
	case name == "json":
		return jsonschema.Object(), nil
	case name == "":
		return nil, nil
	}
	return nil, badField("format", fmt.Sprintf("it is %q and must be \"json\" or a JSON Schema", name))
}
