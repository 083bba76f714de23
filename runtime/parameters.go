package runtime

import (
	"bytes"
	"context"
	"encoding/json"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/toolcall"
)

// parameterSchema is what the schema of a tool's arguments says of parameters that stand one by one.
type parameterSchema struct {
	names       []string // in order
	properties  map[string]json.RawMessage
	required    map[string]bool
	definitions map[string]json.RawMessage // $defs and definitions, to which properties may refer
}

// parameterSchema reads the schema of a tool's arguments. What it does not have is empty.
func (t *Tool) parameterSchema() parameterSchema {
	var s struct {
		Properties  json.RawMessage `json:"properties"`
		Required    []string        `json:"required"`
		Defs        json.RawMessage `json:"$defs"`
		Definitions json.RawMessage `json:"definitions"`
	}
	p := parameterSchema{properties: map[string]json.RawMessage{}, required: map[string]bool{}, definitions: map[string]json.RawMessage{}}
	if json.Unmarshal(t.Parameters, &s) != nil {
		return p
	}
	for _, name := range s.Required {
		p.required[name] = true
	}
	if s.Defs != nil {
		p.definitions["$defs"] = s.Defs
	}
	if s.Definitions != nil {
		p.definitions["definitions"] = s.Definitions
	}
	d := json.NewDecoder(bytes.NewReader(s.Properties))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return p
	}
	for d.More() {
		token, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			break
		}
		name := token.(string)
		p.names, p.properties[name] = append(p.names, name), value
	}
	return p
}

// text reports whether a parameter is a string, and which ones it may be; nil: any.
func (p *parameterSchema) text(name string) (values []string, is bool) {
	var s struct {
		Type  json.RawMessage   `json:"type"`
		Enum  []json.RawMessage `json:"enum"`
		Const json.RawMessage   `json:"const"`
	}
	if json.Unmarshal(p.properties[name], &s) != nil || s.Type != nil && string(s.Type) != `"string"` {
		return nil, false
	}
	if s.Const != nil {
		s.Enum = []json.RawMessage{s.Const}
	}
	for _, v := range s.Enum {
		var text string
		if string(v) == "null" || json.Unmarshal(v, &text) != nil {
			return nil, false
		}
		values = append(values, text)
	}
	return values, s.Type != nil || values != nil
}

// parameters returns the parameters of a tool for a form that writes them one by one; nil: the schema lists none. A string is one of its
// enumeration, or any text: its length and pattern are not followed. Of other values whose schema cannot be followed, it is any JSON.
func (t *Tool) parameters(ctx context.Context) (all []toolcall.Parameter, err error) {
	s := t.parameterSchema()
	if len(t.Parameters) == 0 {
		return []toolcall.Parameter{}, nil
	}
	for _, name := range s.names {
		p := toolcall.Parameter{Name: name, Required: s.required[name]}
		if values, is := s.text(name); is {
			p.Value = anyOf(values)
		} else {
			if p.Value, err = jsonschema.GrammarContext(ctx, s.with(name)); ctx.Err() != nil {
				return nil, err
			} else if err != nil {
				p.Value = jsonschema.Value()
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// anyOf returns the grammar of texts; nil if there are none.
func anyOf(texts []string) *grammar.Grammar {
	if len(texts) == 0 {
		return nil
	}
	all := make([]*grammar.Grammar, len(texts))
	for i, text := range texts {
		all[i] = grammar.Literal(text)
	}
	return grammar.Choice(all...)
}

// with returns the schema of a parameter with the definitions that it may refer to.
func (p *parameterSchema) with(name string) []byte {
	var schema map[string]json.RawMessage
	if len(p.definitions) == 0 || json.Unmarshal(p.properties[name], &schema) != nil || schema == nil {
		return p.properties[name]
	}
	for key, value := range p.definitions {
		schema[key] = value
	}
	data, err := json.Marshal(schema)
	if err != nil { // it was JSON
		return p.properties[name]
	}
	return data
}

// strings returns a function that reports whether a parameter of a tool is a string.
func (s *toolset) strings() func(function, parameter string) bool {
	schemas := map[string]*parameterSchema{}
	for _, t := range s.list {
		schemas[t.Name] = new(t.parameterSchema())
	}
	return func(function, parameter string) bool {
		p := schemas[function]
		if p == nil {
			return false
		}
		_, is := p.text(parameter)
		return is
	}
}
