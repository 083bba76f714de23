// Package jinja renders chat templates: the Jinja language as Hugging Face
// Transformers runs it. A template is parsed once and rendered with the
// messages of a conversation, the tools and whatever else it asks for:
//
//	t, err := jinja.Parse(source)
//	text, err := t.Render(ctx, map[string]any{
//		"messages":              []any{jinja.Dict{{"role", "user"}, {"content", "Hi"}}},
//		"add_generation_prompt": true,
//	})
//
// # The language
//
// The reference is Jinja2 3.1 with the settings of Transformers: an
// ImmutableSandboxedEnvironment with trim_blocks and lstrip_blocks, the tags
// break and continue, a tojson that is json.dumps with ensure_ascii=False, the
// functions raise_exception and strftime_now, and the tag generation, which
// renders its body. Values have the semantics of Python: integers of any size,
// floats that print as Python prints them, strings of code points, lists,
// tuples, dicts that keep the order of their keys, one-shot generators (what
// map and select return), None, and Jinja's undefined.
//
// What reaches outside of the template is refused with ErrUnsupported: include,
// import and extends, for there are no other templates, autoescape, and the
// filter random and the function lipsum, for one conversation has one text.
//
// # Values
//
// See Template.Render for the Go values that a template takes. A Dict or a
// json.RawMessage keeps the order of its keys, which tojson shows.
//
// # Hostile templates
//
// A template comes with a model that somebody uploaded. It cannot modify what
// it is given, nor reach files or functions. Its size, nesting and depth of
// calls, its steps, the memory of what it makes and its output are limited (see
// limits.go), in proportion to the input where that is what they depend on. A
// template over a limit ends with ErrLimit, and one whose context is done with
// the context's error.
package jinja
