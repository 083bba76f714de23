package toolcall

import (
	"encoding/json"
	"strings"
)

// Form is how a model writes calls of functions: First, calls with Between in between, Last. A call is a JSON object with the keys name and
// Arguments; or, if there is a Separator, Open, the name, Separator, the arguments, Close.
type Form struct {
	Name                 string
	First, Between, Last string
	Arguments            string // the key of the arguments

	// Begin is the marker with which calls begin, and End the one that ends them, for reading: models leave spaces and brackets out. They are
	// beginnings and ends of First and Last. An empty End is none.
	Begin, End string
	// Bare says that an answer may be a call without the marker.
	Bare bool

	Open, Separator, Close string
	// Tagged says that the arguments are no JSON, but each a tag: <parameter=NAME>, the value in lines of its own, </parameter>.
	Tagged bool
	// Tokens are texts in a call that may be special tokens, besides Begin and End.
	Tokens []string
}

// Markers are the texts that may be special tokens.
func (f *Form) Markers() (all []string) {
	for _, m := range append([]string{f.Begin, f.End}, f.Tokens...) {
		if m != "" {
			all = append(all, m)
		}
	}
	return all
}

// The forms. Sources are the chat templates that the authors of the models publish.
var (
	// Hermes is that of Qwen2.5, Qwen3, Hermes 2 Pro and Hermes 3.
	Hermes = &Form{Name: "hermes", First: "<tool_call>\n", Between: "\n</tool_call>\n<tool_call>\n", Last: "\n</tool_call>", Arguments: "arguments",
		Begin: "<tool_call>", End: "</tool_call>"}
	// Llama is that of Llama 3.1 to 3.3: one call, without a marker or after <|python_tag|>.
	Llama = &Form{Name: "llama", Between: "; ", Arguments: "parameters", Begin: "<|python_tag|>", Bare: true}
	// Mistral is that of Mistral Nemo and Mistral Small: a list. Ids of calls have nine letters and digits.
	Mistral = &Form{Name: "mistral", First: "[TOOL_CALLS][", Between: ", ", Last: "]", Arguments: "arguments", Begin: "[TOOL_CALLS]"}
	// Phi is that of Phi-4-mini: a list.
	Phi = &Form{Name: "phi", First: "<|tool_call|>[", Between: ", ", Last: "]<|/tool_call|>", Arguments: "arguments",
		Begin: "<|tool_call|>", End: "<|/tool_call|>"}
	// MistralNamed is that of Devstral, Magistral and Mistral Small from 3.2 on. An id, which models may write before [ARGS], is not read.
	MistralNamed = &Form{Name: "mistral-named", First: "[TOOL_CALLS]", Between: "[TOOL_CALLS]", Separator: "[ARGS]", Begin: "[TOOL_CALLS]",
		Tokens: []string{"[ARGS]", CallID}}
	// DeepSeek is that of DeepSeek V3 and R1, and of the Qwen and Llama models that were made of R1.
	DeepSeek = &Form{Name: "deepseek", First: deepSeekBegin, Between: "\n", Last: deepSeekEnd, Begin: deepSeekBegin, End: deepSeekEnd,
		Open: deepSeekCall + "function<｜tool▁sep｜>", Separator: "\n```json\n", Close: "\n```<｜tool▁call▁end｜>",
		Tokens: []string{deepSeekCall, "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"}}
	// DeepSeekNamed is that of DeepSeek V3.1.
	DeepSeekNamed = &Form{Name: "deepseek-named", First: deepSeekBegin, Last: deepSeekEnd, Begin: deepSeekBegin, End: deepSeekEnd,
		Open: deepSeekCall, Separator: "<｜tool▁sep｜>", Close: "<｜tool▁call▁end｜>",
		Tokens: []string{deepSeekCall, "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"}}
	// QwenCoder is that of Qwen3-Coder.
	QwenCoder = &Form{Name: "qwen-coder", First: "<tool_call>\n", Between: "\n</tool_call>\n<tool_call>\n", Last: "\n</tool_call>", Begin: "<tool_call>",
		End: "</tool_call>", Open: "<function=", Separator: ">\n", Close: functionClose, Tagged: true}
)

const (
	deepSeekBegin = "<｜tool▁calls▁begin｜>"
	deepSeekEnd   = "<｜tool▁calls▁end｜>"
	deepSeekCall  = "<｜tool▁call▁begin｜>"
)

// Forms are all of them. A template that writes a call with one's marker has that form; Llama's is known by the key of the arguments.
var Forms = []*Form{Hermes, Mistral, Phi, MistralNamed, DeepSeek, DeepSeekNamed, QwenCoder, Llama}

// Head returns what stands in a call before the arguments.
func (f *Form) Head(name string) string {
	if f.Separator != "" {
		return f.Open + name + f.Separator
	}
	return `{"name": ` + quote(name) + `, "` + f.Arguments + `": `
}

// Tail returns what stands in a call after the arguments.
func (f *Form) Tail() string {
	if f.Separator != "" {
		return f.Close
	}
	return "}"
}

// Example returns a call with words in the places of a name and of arguments, for models that were not trained to write the form.
func (f *Form) Example() string {
	switch {
	case f.Tagged:
		return f.First + f.Head("<name>") + parameterOpen + "<parameter>>\n<value>\n" + parameterClose + "\n" + f.Tail() + f.Last
	case f.Separator != "":
		return f.First + f.Head("<name>") + "<arguments as a JSON object>" + f.Tail() + f.Last
	}
	return f.First + `{"name": <name>, "` + f.Arguments + `": <arguments as a JSON object>` + f.Tail() + f.Last
}

// Write returns calls as a model writes them. arguments are JSON.
func (f *Form) Write(calls []Call) string {
	var b strings.Builder
	for i, c := range calls {
		if i == 0 {
			b.WriteString(f.First)
		} else {
			b.WriteString(f.Between)
		}
		arguments := c.Arguments
		if f.Tagged {
			arguments = writeTagged(arguments)
		}
		b.WriteString(f.Head(c.Name) + arguments + f.Tail())
	}
	if len(calls) > 0 {
		b.WriteString(f.Last)
	}
	return b.String()
}

// quote returns a JSON string.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// Tags are around what a model thinks before it answers.
type Tags struct{ Open, Close string }

// Think are the tags of most models: Qwen3, DeepSeek R1 and others.
var Think = Tags{"<think>", "</think>"}

// ReasoningTags are those that are known: the first are the usual ones.
var ReasoningTags = []Tags{Think, {"[THINK]", "[/THINK]"}, {"<seed:think>", "</seed:think>"}}

// Call is a call of a function.
type Call struct {
	Name      string
	Arguments string // JSON, if the model wrote it right and to its end
}
