package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/lru"
)

// formats reads what answers must be like. One schema or grammar is read at a time, while its request has its place in the queue and its client is there:
// to read one that is large takes a second and some hundred megabytes. A cache has those that were used last.
type formats struct {
	ctx   context.Context
	cache *lru.Cache[answerFormat]
}

// answerFormat is a grammar, and how many bytes its text has.
type answerFormat struct {
	grammar *grammar.Grammar
	text    int
}

// formatsLimit bounds the grammars in the cache, in bytes, of which one takes about formatSize times as many as its text.
const (
	formatsLimit = 16 << 20
	formatSize   = 10
	formatLeast  = 16 << 10 // besides its text
)

func newFormats() *lru.Cache[answerFormat] {
	return lru.New(1, formatsLimit, func(f answerFormat) int { return formatLeast + formatSize*f.text })
}

// formatsOf returns what reads the formats of a request.
func (s *Server) formatsOf(ctx context.Context) formats { return formats{ctx, s.formats} }

// read returns the grammar of a text, of a kind. The error is a field's.
func (f formats) read(kind, text, field string, read func(ctx context.Context) (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	made, err := f.cache.Get(f.ctx, sha256.Sum256([]byte(kind+"\x00"+text)), func() (answerFormat, error) {
		g, err := read(f.ctx)
		return answerFormat{g, len(text)}, err
	})
	switch {
	case err != nil && f.ctx.Err() != nil:
		return nil, context.Cause(f.ctx)
	case err != nil:
		return nil, badField(field, err.Error())
	}
	formatted(f.ctx, field)
	return made.grammar, nil
}

// schema returns the grammar of a JSON Schema, which stands in the field of that name.
func (f formats) schema(schema json.RawMessage, field string) (*grammar.Grammar, error) {
	return f.read("schema", string(schema), field, func(ctx context.Context) (*grammar.Grammar, error) { return jsonschema.GrammarContext(ctx, schema) })
}

// gbnf returns the grammar of a text in GBNF.
func (f formats) gbnf(text, field string) (*grammar.Grammar, error) {
	return f.read("gbnf", text, field, func(context.Context) (*grammar.Grammar, error) { return grammar.ParseGBNF(text) })
}

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
func (f *responseFormat) grammar(read formats, path string) (*grammar.Grammar, error) {
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
		return read.schema(schema, at)
	case "json_schema":
		if len(schema) == 0 {
			return nil, badField(at, "it is missing")
		}
		return read.schema(schema, at)
	}
	return nil, badField(join(path, "type"), fmt.Sprintf("it is %q and must be text, json_object or json_schema", f.Type))
}

// grammar returns the grammar of the fields response_format and llama.cpp's grammar, in GBNF, and json_schema; nil: there is none.
func (o *openAISampling) grammar(read formats) (g *grammar.Grammar, err error) {
	if o.Grammar != "" {
		if g, err = read.gbnf(o.Grammar, "grammar"); err != nil {
			return nil, err
		}
	}
	g, err = oneGrammar(g, read, "json_schema", func(read formats, field string) (*grammar.Grammar, error) {
		if len(o.JSONSchema) == 0 || string(o.JSONSchema) == "null" {
			return nil, nil
		}
		return read.schema(o.JSONSchema, field)
	})
	if err != nil {
		return nil, err
	}
	return oneGrammar(g, read, "response_format", o.ResponseFormat.grammar)
}

// oneGrammar returns the grammar of a field, or the one that other fields have asked for: only one may.
func oneGrammar(other *grammar.Grammar, read formats, field string, of func(read formats, field string) (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	g, err := of(read, field)
	switch {
	case err != nil || other == nil:
		return g, err
	case g != nil:
		return nil, badField(field, "another field says already what the answer must be like")
	}
	return other, nil
}

// formatGrammar returns the grammar of Ollama's field format: "json", or a schema; nil: there is none.
func formatGrammar(read formats, format json.RawMessage) (*grammar.Grammar, error) {
	var name string
	switch {
	case len(format) == 0:
		return nil, nil
	case json.Unmarshal(format, &name) != nil:
		return read.schema(format, "format")
	case name == "json":
		return jsonschema.Object(), nil
	case name == "":
		return nil, nil
	}
	return nil, badField("format", fmt.Sprintf("it is %q and must be \"json\" or a JSON Schema", name))
}
