package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"st/tokenizer"
)

// Tool is a function that a model may call.
type Tool struct {
	Name        string
	Description string          // what it does, for the model
	Parameters  json.RawMessage // JSON Schema of its arguments, an object; empty: it has none
	// Strict says that arguments must follow the schema also where the model chooses whether to call: a schema that cannot be followed is
	// an error then. Else the arguments of such a function are any object.
	Strict bool
}

// ToolCall is a call of a tool by a model.
type ToolCall = tokenizer.ToolCall

// ToolResult returns the message that tells a model what came of a call.
func ToolResult(call ToolCall, result string) Message {
	return Message{Role: "tool", Content: result, ToolCallID: call.ID, Name: call.Name}
}

// ToolChoice says whether a model calls tools. The zero value, [ToolAuto], leaves that to the model.
type ToolChoice struct {
	// Mode is ToolAuto, ToolNone or ToolRequired.
	Mode ToolMode
	// Names are the tools that may be called; empty: all.
	Names []string
	// Single allows one call in an answer; else there may be several.
	Single bool
}

// ToolMode is who decides on calls.
type ToolMode uint8

// The modes of ToolChoice.
const (
	ToolAuto     ToolMode = iota // the model does
	ToolNone                     // there are no calls, and the model is not told of tools
	ToolRequired                 // there is a call at least
)

// Tools tells the model of functions that it may call. The chat reads its answers then: see [Piece.Deltas] and [Result.Message].
func Tools(tools ...Tool) ChatOption {
	return func(c *Chat) { c.tools.list = append(c.tools.list, tools...) }
}

// ChooseTools says whether the model calls tools.
func ChooseTools(choice ToolChoice) ChatOption {
	return func(c *Chat) { c.tools.choice = choice }
}

// toolset is what a chat may call.
type toolset struct {
	list   []Tool
	choice ToolChoice
}

// offered returns the tools that the model is told of.
func (s *toolset) offered() []Tool {
	if s.choice.Mode == ToolNone {
		return nil
	}
	return s.list
}

// names returns the names of the tools that may be called.
func (s *toolset) names() (names []string) {
	for _, t := range s.offered() {
		names = append(names, t.Name)
	}
	return names
}

// check returns an error about tools that no model can be told of.
func (s *toolset) check() error {
	known := map[string]bool{}
	for i, t := range s.list {
		var object map[string]json.RawMessage
		switch {
		case t.Name == "":
			return as(ErrTools, fmt.Errorf("tool %d has no name", i))
		case known[t.Name]:
			return as(ErrTools, fmt.Errorf("two tools have the name %q", t.Name))
		case len(t.Parameters) > 0 && (json.Unmarshal(t.Parameters, &object) != nil || object == nil):
			return as(ErrTools, fmt.Errorf("the parameters of tool %q are no JSON object: they must be a JSON Schema", t.Name))
		}
		known[t.Name] = true
	}
	for _, name := range s.choice.Names {
		if !known[name] {
			return as(ErrTools, fmt.Errorf("the tool %q may be called, and there is none of that name", name))
		}
	}
	if s.choice.Mode == ToolRequired && len(s.list) == 0 {
		return as(ErrTools, fmt.Errorf("a tool must be called, and there are none"))
	}
	return nil
}

// noParameters is the schema of a function without parameters.
const noParameters = `{"type": "object", "properties": {}}`

// definition is a tool as templates expect it: OpenAI's form. Strings go through mark.
func (t *Tool) definition(mark func(string) string) (json.RawMessage, error) {
	parameters := t.Parameters
	if len(parameters) == 0 {
		parameters = json.RawMessage(noParameters)
	}
	parameters, err := markJSON(parameters, mark)
	if err != nil {
		return nil, err
	}
	var f struct {
		Type     string `json:"type"`
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description,omitempty"`
			Parameters  json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	f.Type, f.Function.Name, f.Function.Description, f.Function.Parameters = "function", mark(t.Name), mark(t.Description), parameters
	definition, err := marshal(f)
	if err != nil {
		return nil, err
	}
	return markJSON(definition, func(s string) string { return s }) // with white space
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// markJSON returns a JSON value whose strings, also those that are keys, went through mark. The order of keys stays. White space is as Python's
// json.dumps has it: templates write JSON so, and models what they read.
func markJSON(data json.RawMessage, mark func(string) string) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var out bytes.Buffer
	type level struct {
		object bool
		n      int // of keys and values
	}
	var levels []level
	for {
		token, err := d.Token()
		switch {
		case err == io.EOF && len(levels) == 0 && out.Len() > 0:
			return out.Bytes(), nil
		case err != nil:
			return nil, err
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			out.WriteRune(rune(delim))
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 {
			switch l := &levels[n-1]; {
			case l.object && l.n%2 == 1:
				out.WriteString(": ")
				l.n++
			case l.n > 0:
				out.WriteString(", ")
				l.n++
			default:
				l.n++
			}
		}
		switch v := token.(type) {
		case json.Delim:
			out.WriteRune(rune(v))
			levels = append(levels, level{object: v == '{'})
		case string:
			text, err := marshal(mark(v))
			if err != nil {
				return nil, err
			}
			out.Write(text)
		default:
			text, err := marshal(v)
			if err != nil {
				return nil, err
			}
			out.Write(text)
		}
	}
}
