// Package toolcall reads the answers of models that reason and call functions: what comes as one text is told apart into content, reasoning and
// calls, while it streams.
//
//	p := toolcall.NewParser(toolcall.Options{Form: toolcall.Hermes, Reasoning: toolcall.Think})
//	for each piece of the answer: for _, d := range p.Push(piece) { … }
//	for _, d := range p.Close() { … }
//
// A [Form] is how a model was trained to write a call. [Hermes] is that of Qwen2.5, Qwen3 and many others:
//
//	<tool_call>
//	{"name": "weather", "arguments": {"city": "Oslo"}}
//	</tool_call>
//
// A parser works byte by byte, so how a text is cut into pieces changes nothing but the cuts of what comes out. It loses nothing: what begins like a
// call and is none comes out as content. Once the name of a call is known, its arguments come out as they are written; whether they are JSON
// is for the caller to see, because an answer may end in the middle of them.
//
// The package knows texts, not models. Package runtime chooses the form for a chat template.
package toolcall
