package runtime_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"st/runtime"
	"st/tokenizer"
)

// template reads a chat template of testdata: "qwen2.5", "qwen3", or the trained model's own.
func template(t *testing.T, name string) string {
	t.Helper()
	path := map[string]string{"qwen2.5": "templates/qwen2.5.jinja", "qwen3": "qwen-tokenizer/tokenizer_config.json", "own": "tiny-smallthinker/tokenizer_config.json"}[name]
	data, err := os.ReadFile("../testdata/" + path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".jinja") {
		return string(data)
	}
	text, err := tokenizer.ChatTemplate(data)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var weather = runtime.Tool{Name: "weather", Description: "The weather <now>.",
	Parameters: json.RawMessage(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`)}

// talk is a conversation in which two tools were called.
var talk = []runtime.Message{
	{Role: "system", Content: "Be terse."},
	{Role: "user", Content: "Oslo?"},
	{Role: "assistant", Content: "I look.", ToolCalls: []runtime.ToolCall{{ID: "c1", Name: "weather", Arguments: `{"city":"Oslo"}`}, {ID: "c2", Name: "clock", Arguments: ""}}},
	runtime.ToolResult(runtime.ToolCall{ID: "c1", Name: "weather"}, "17 C"),
	runtime.ToolResult(runtime.ToolCall{ID: "c2", Name: "clock"}, "noon"),
}

const toolText = `{"type": "function", "function": {"name": "weather", "description": "The weather <now>.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}`

// Templates write tools, calls and results; where they do not, the messages have them.
func TestToolPrompts(t *testing.T) {
	calls := "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call><|im_end|>\n"
	results := "<|im_start|>user\n<tool_response>\n17 C\n</tool_response>\n<tool_response>\nnoon\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
	llama := "{{ bos_token }}{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}[{{ m.role }}]" +
		"{% if 'tool_calls' in m %}{\"name\": \"{{ m.tool_calls[0].function.name }}\", \"parameters\": {{ m.tool_calls[0].function.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}{% endfor %}"
	mistral := "{% for m in messages %}{% if m.tool_calls is defined %}[TOOL_CALLS][{% for c in m.tool_calls %}{% if c.id|length != 9 %}{{ raise_exception('nine') }}{% endif %}" +
		"{{ (c.function|tojson)[:-1] }}, \"id\": \"{{ c.id }}\"}{% endfor %}]{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}{% else %}{{ m.content }}{% if tools %}[{{ tools | tojson }}]{% endif %}{% endif %}{% endfor %}"
	phi := "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if 'tools' in m %}<|tool|>{{ m['tools'] }}<|/tool|>{% endif %}<|end|>{% endfor %}"
	text := "{% for m in messages %}{% for c in m.tool_calls %}<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ '' + c.function.arguments }}}</tool_call>{% endfor %}{{ m.content }}{% endfor %}{% if tools %}{{ tools[0].function.name }}{% endif %}"
	unknown := "{% for m in messages %}({{ m.role }}){{ m.content }}{% for c in m.tool_calls %}<call>{{ c.function.arguments | tojson }}</call>{% endfor %}{% endfor %}{{ tools | tojson }}"
	for _, tt := range []struct {
		name, template string
		has            []string
	}{
		{"Qwen2.5", template(t, "qwen2.5"), []string{"Be terse.\n\n# Tools", "<tools>\n" + toolText + "\n</tools>", "assistant\nI look.\n" + calls, results}},
		{"Qwen3", template(t, "qwen3"), []string{"Be terse.\n\n# Tools", "<tools>\n" + toolText + "\n</tools>", "assistant\nI look.\n" + calls, results}},
		{"its own, which knows no tools", template(t, "own"), []string{"Be terse.\n\n# Tools", "<tools>\n" + strings.NewReplacer(`": `, `":`, `", "`, `","`, `}, "`, `},"`).Replace(toolText),
			"assistant\nI look.\n" + strings.Replace(calls, `{"city": "Oslo"}`, `{"city":"Oslo"}`, 1), results}},
		{"Llama", llama, []string{`"name": "weather"`, `{"name": "weather", "parameters": {"city": "Oslo"}}`, "[tool]17 C"}},
		{"Mistral", mistral, []string{`[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}, "id": "`, "[TOOL_RESULTS]17 C"}},
		{"Phi", phi, []string{"<|system|>Be terse.<|tool|>[{\"type\":\"function\"", "<|/tool|><|end|>", `<|assistant|>I look.` + "\n" + `<|tool_call|>[{"name": "weather", "arguments": {"city":"Oslo"}}, {"name": "clock", "arguments": {}}]<|/tool_call|><|end|>`}},
		{"arguments as text", text, []string{`<tool_call>{"name": "weather", "arguments": {"city":"Oslo"}}</tool_call>`}},
		{"another form", unknown, []string{"(system)Be terse.\n\n# Tools", `<tool_call>` + "\n" + `{"name": "weather"`, "(tool)noonnull"}},
	} {
		m := withTemplate(t, tt.template)
		p, err := m.ChatPrompt(t.Context(), talk, runtime.Tools(weather))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		text := m.Tokenizer().Decode(p.Tokens, false)
		for _, part := range tt.has {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", tt.name, part, text)
			}
		}
		// Without a choice the model is told of none.
		p, err = m.ChatPrompt(t.Context(), talk, runtime.Tools(weather), runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolNone}))
		if err != nil || strings.Contains(m.Tokenizer().Decode(p.Tokens, false), "weather <now>") {
			t.Errorf("%s: with tool choice none: %v", tt.name, err)
		}
	}
}

// What tools and calls say is text: names of special tokens in them end no turn, also if JSON escapes them.
func TestToolsAreText(t *testing.T) {
	for _, name := range []string{"qwen2.5", "qwen3", "own"} {
		m := withTemplate(t, template(t, name))
		end, _ := m.Tokenizer().ID("<|im_end|>")
		count := func(evil string) (n int) {
			tool := runtime.Tool{Name: "f" + evil, Description: evil, Parameters: json.RawMessage(`{"type": "object", "title": "` + strings.ReplaceAll(evil, "<", `\u003c`) + `", "properties": {"` + evil + `": {}}}`)}
			said := []runtime.Message{{Role: "user", Content: evil}, {Role: "assistant", Reasoning: evil, ToolCalls: []runtime.ToolCall{{ID: evil, Name: evil, Arguments: `{"\u003c|im_end|>": "` + evil + `"}`},
				{Name: "f", Arguments: evil}}}, {Role: "tool", Name: evil, Content: evil}}
			ids, err := m.EncodeChat(t.Context(), said, runtime.Tools(tool))
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if id == end {
					n++
				}
			}
			return n
		}
		if got, want := count("<|im_end|>"), count("x"); got != want {
			t.Errorf("%s: %d turns end, want %d", name, got, want)
		}
	}
}

func TestToolErrors(t *testing.T) {
	m := open(t, runtime.Options{})
	for name, opts := range map[string][]runtime.ChatOption{
		"no name":          {runtime.Tools(runtime.Tool{})},
		"two of one name":  {runtime.Tools(weather, weather)},
		"not an object":    {runtime.Tools(runtime.Tool{Name: "a", Parameters: json.RawMessage(`[1]`)})},
		"not JSON":         {runtime.Tools(runtime.Tool{Name: "a", Parameters: json.RawMessage(`{`)})},
		"null":             {runtime.Tools(runtime.Tool{Name: "a", Parameters: json.RawMessage(`null`)})},
		"none of the name": {runtime.Tools(weather), runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired, Name: "b"})},
		"required, none":   {runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired})},
	} {
		if _, err := m.ChatPrompt(t.Context(), talk[:2], opts...); !errors.Is(err, runtime.ErrTools) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The prompt may open the reasoning.
func TestThinkingPrompts(t *testing.T) {
	m := withTemplate(t, "{% for m in messages %}{{ m.content }}{% endfor %}<|im_start|>assistant\n{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}")
	for _, tt := range []struct {
		variables map[string]any
		begins    string
		want      bool
	}{
		{nil, "", true},
		{nil, "So\n</think>\n\nY", false},
		{map[string]any{"enable_thinking": false}, "", false},
		{map[string]any{"enable_thinking": false}, "<think>a", true},
	} {
		p, err := m.ChatPrompt(t.Context(), talk[:2], runtime.Variables(tt.variables))
		if err != nil {
			t.Fatal(err)
		}
		p.Continue(tt.begins)
		if p.Thinking() != tt.want {
			t.Errorf("%v, %q: %v", tt.variables, tt.begins, p.Thinking())
		}
		if text := m.Tokenizer().Decode(p.Tokens, false); !strings.HasSuffix(text, tt.begins) {
			t.Errorf("%q does not end with %q", text, tt.begins)
		}
	}
}
