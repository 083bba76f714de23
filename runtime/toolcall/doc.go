// Package toolcall reads the answers of models that reason and call functions. It separates the text, while it streams, into content, reasoning and
// calls.
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
// Of forms whose calls are no JSON, such as [QwenCoder], the parser makes JSON of the arguments.
//
// A parser works byte by byte: the sizes of the pieces do not change the result. No text is lost: what begins like a call but is none is returned as
// content. Arguments are returned as they are written, once the name of the call is known. The caller checks whether they are JSON, because an
// answer may end in the middle of them.
//
// The package knows texts, not models. Package runtime chooses the form for a chat template.
package toolcall
