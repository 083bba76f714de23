package server

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"st/runtime"
)

// function is a function that the model may call, as requests describe it.
type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

// tool returns the function as package runtime has it. path is where it stands, and schema where its parameters are.
func (f *function) tool(path, schema string) (t runtime.Tool, err error) {
	if f.Name == "" {
		return t, badField(join(path, "name"), "it is missing")
	}
	t = runtime.Tool{Name: f.Name, Description: f.Description, Parameters: f.Parameters, Strict: f.Strict != nil && *f.Strict}
	if len(t.Parameters) > 0 {
		var object map[string]json.RawMessage
		if json.Unmarshal(t.Parameters, &object) != nil || object == nil {
			return t, badField(schema, "it must be a JSON Schema: an object")
		}
	}
	return t, nil
}

// readTools reads the field tools of a request. OpenAI's chats and Ollama's have functions in the field function, OpenAI's responses have their fields
// beside the type.
func readTools(list []json.RawMessage, flat bool) (tools []runtime.Tool, err error) {
	for i, data := range list {
		path := fmt.Sprintf("tools[%d]", i)
		var t struct {
			Type     string          `json:"type"`
			Function json.RawMessage `json:"function"`
		}
		if err := decode(data, &t, path); err != nil {
			return nil, err
		}
		if t.Type != "function" && (t.Type != "" || flat) {
			return nil, badField(path+".type", fmt.Sprintf("it is %q and must be function", t.Type))
		}
		if !flat {
			path += ".function"
			if data = t.Function; len(data) == 0 {
				return nil, badField(path, "it is missing")
			}
		}
		var f function
		if err := decode(data, &f, path); err != nil {
			return nil, err
		}
		tool, err := f.tool(path, path+".parameters")
		if err != nil {
			return nil, err
		}
		tools = append(tools, tool)
	}
	return tools, checkNames(tools)
}

// checkNames returns an error if two tools have the same name.
func checkNames(tools []runtime.Tool) error {
	known := map[string]bool{}
	for i, t := range tools {
		if known[t.Name] {
			return badField(fmt.Sprintf("tools[%d]", i), fmt.Sprintf("there is another tool of the name %q", t.Name))
		}
		known[t.Name] = true
	}
	return nil
}

// toolChoice is an object in the field tool_choice: a function, those that are allowed, or a mode. OpenAI's chats have the fields of the first two in one of
// their name, responses beside the type.
type toolChoice struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
	allowedTools
	Allowed allowedTools `json:"allowed_tools"`
}

type allowedTools struct {
	Mode  string       `json:"mode"`
	Tools []toolChoice `json:"tools"`
}

// read returns the mode and the names of the functions that may be called. Responses may allow tools that are ignored: see [responsesRequest.functions].
func (t *toolChoice) read(field string, flat bool) (mode string, names []string, err error) {
	switch t.Type {
	case "function":
		if names = []string{t.Name + t.Function.Name}; names[0] == "" {
			return "", nil, badField(field, "it must name a function")
		}
		return "required", names, nil
	case "allowed_tools":
		for i, a := range append(t.Allowed.Tools, t.Tools...) {
			if flat && noFunction(a.Type) {
				continue
			}
			_, one, err := a.read(fmt.Sprintf("%s.allowed_tools.tools[%d]", field, i), flat)
			if err != nil {
				return "", nil, err
			}
			names = append(names, one...)
		}
		if mode = t.Allowed.Mode + t.Mode; len(names) == 0 {
			mode = "none"
		}
		return mode, names, nil
	}
	return "", nil, badField(field+".type", fmt.Sprintf("it is %q and must be function or allowed_tools", t.Type))
}

// readToolChoice reads the fields tool_choice and parallel_tool_calls of OpenAI's requests. flat is as in [readTools].
func readToolChoice(data json.RawMessage, parallel *bool, tools []runtime.Tool, flat bool) (c runtime.ToolChoice, err error) {
	const field = "tool_choice"
	c.Single = parallel != nil && !*parallel
	var mode string
	if len(data) > 0 && json.Unmarshal(data, &mode) != nil {
		var t toolChoice
		if json.Unmarshal(data, &t) != nil {
			return c, badField(field, "it must be auto, none, required or a function")
		}
		switch t.Type {
		case "auto", "none", "required": // as some clients write what is a text
			mode = t.Type
		default:
			if mode, c.Names, err = t.read(field, flat); err != nil {
				return c, err
			}
		}
		c.Single = c.Single || t.Type == "function"
	}
	switch mode {
	case "", "auto":
	case "none":
		c.Mode = runtime.ToolNone
	case "required":
		c.Mode = runtime.ToolRequired
	default:
		return c, badField(field, fmt.Sprintf("it is %q and must be auto, none, required or a function", mode))
	}
	return c, checkChoice(c, field, tools)
}

// checkChoice returns an error if a choice is none of the tools.
func checkChoice(c runtime.ToolChoice, field string, tools []runtime.Tool) error {
	if c.Mode == runtime.ToolRequired && len(tools) == 0 {
		return badField(field, "a tool must be called, and tools has none")
	}
	for _, name := range c.Names {
		if !slices.ContainsFunc(tools, func(t runtime.Tool) bool { return t.Name == name }) {
			return badField(field, fmt.Sprintf("tools has none of the name %q", name))
		}
	}
	return nil
}

// answer generates an answer to a prompt and reads it: pieces have deltas, and the last one the message.
func (j *job) answer(ctx context.Context, p *runtime.ChatPrompt, g runtime.Generate) iter.Seq2[runtime.Piece, error] {
	return p.Read(j.generate(ctx, p.Tokens, g))
}
