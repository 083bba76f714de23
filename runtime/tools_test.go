package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"st/runtime"
	"st/runtime/grammar"
	"st/runtime/toolcall"
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
	withIDs := "{% for m in messages %}{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name }}{% if c.id|length != 9 %}{{ raise_exception('nine') }}{% endif %}" +
		"[CALL_ID]{{ c.id }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}{{ m.content or '' }}{% endfor %}{{ tools | tojson }}"
	phi := "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if 'tools' in m %}<|tool|>{{ m['tools'] }}<|/tool|>{% endif %}<|end|>{% endfor %}"
	text := "{% for m in messages %}{% for c in m.tool_calls %}<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ '' + c.function.arguments }}}</tool_call>{% endfor %}{{ m.content }}{% endfor %}{% if tools %}{{ tools[0].function.name }}{% endif %}"
	coder := "{% for m in messages %}({{ m.role }}){{ m.content }}{% for c in m.tool_calls %}\n<tool_call>\n<function={{ c.function.name }}>\n{% for k, v in c.function.arguments|items %}<parameter={{ k }}>\n" +
		"{{ v if v is string else v | tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>{% endfor %}{% endfor %}{% if tools %}{% for t in tools %}<name>{{ t.function.name }}</name>{% endfor %}{% endif %}"
	deepSeek := "{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls %}{% if loop.first %}<｜tool▁calls▁begin｜>{% endif %}<｜tool▁call▁begin｜>{{ c.type + '<｜tool▁sep｜>' + c.function.name + '\\n```json\\n' + c.function.arguments + '\\n```<｜tool▁call▁end｜>' }}" +
		"{% if loop.last %}<｜tool▁calls▁end｜>{% endif %}{% endfor %}{% endfor %}"
	unknown := "{% for m in messages %}({{ m.role }}){{ m.content }}{% for c in m.tool_calls %}<call>{{ c.function.arguments | tojson }}</call>{% endfor %}{% endfor %}{{ tools | tojson }}"
	for _, tt := range []struct {
		name, template string
		has            []string
	}{
		{"Qwen2.5", template(t, "qwen2.5"), []string{"Be terse.\n\n# Tools", "<tools>\n" + toolText + "\n</tools>", "assistant\nI look.\n" + calls, results}},
		{"Qwen3", template(t, "qwen3"), []string{"Be terse.\n\n# Tools", "<tools>\n" + toolText + "\n</tools>", "assistant\nI look.\n" + calls, results}},
		{"its own, which knows no tools", template(t, "own"), []string{"Be terse.\n\n# Tools", "<tools>\n" + toolText + "\n</tools>", "assistant\nI look.\n" + calls, results}},
		{"Llama", llama, []string{`"name": "weather"`, `{"name": "weather", "parameters": {"city": "Oslo"}}`, "[tool]17 C"}},
		{"Mistral", mistral, []string{`[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}, "id": "`, "[TOOL_RESULTS]17 C"}},
		{"Mistral, with ids", withIDs, []string{"[TOOL_CALLS]weather[CALL_ID]", `[ARGS]{"city": "Oslo"}[TOOL_CALLS]clock[CALL_ID]`, "I look.17 Cnoon"}},
		{"Phi", phi, []string{"<|system|>Be terse.<|tool|>[" + toolText + "]<|/tool|><|end|>", `<|assistant|>I look.` + "\n" + `<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "clock", "arguments": {}}]<|/tool_call|><|end|>`}},
		{"arguments as text", text, []string{`<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>`}},
		{"Qwen3-Coder", coder, []string{"<name>weather</name>", "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>", "<function=clock>\n</function>"}},
		{"DeepSeek", deepSeek, []string{"function<｜tool▁sep｜><name>\n```json\n<arguments as a JSON object>", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Oslo\"}\n```<｜tool▁call▁end｜>"}},
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
		"none of the name": {runtime.Tools(weather), runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired, Names: []string{"b"}})},
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

var clock = runtime.Tool{Name: "clock", Parameters: json.RawMessage(`{"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}, "exact": {"type": "boolean"}}, "required": ["zone"], "additionalProperties": false}`)}

// must has the tool of that name called once.
func must(name string) runtime.ChatOption {
	return runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired, Names: []string{name}, Single: true})
}

// A chat calls tools in a row: the results go back, and what was said before is not run again.
func TestChatCallsTools(t *testing.T) {
	for _, name := range []string{"qwen2.5", "qwen3", "own"} {
		m := withTemplate(t, template(t, name))
		c := m.NewChat(runtime.Tools(clock), must("clock"), runtime.Variables(map[string]any{"enable_thinking": false}))
		defer c.Close()
		next := []runtime.Message{{Role: "user", Content: "What time is it?"}}
		for turn := range 3 {
			var calls int
			var arguments strings.Builder
			var result *runtime.Result
			for p, err := range c.SendMessages(t.Context(), next, runtime.Generate{MaxTokens: 400, Seed: new(uint64(turn))}) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, d := range p.Deltas {
					switch d.Kind {
					case toolcall.Begin:
						if calls++; d.Text != "clock" || d.ID == "" {
							t.Errorf("%s: %+v", name, d)
						}
					case toolcall.Arguments:
						arguments.WriteString(d.Text)
					}
				}
				result = p.Done
			}
			if result.Stop != runtime.StopEOS || len(result.Message.ToolCalls) != calls || calls != 1 || name != "qwen3" && (turn > 0) != (result.CachedTokens > 0) { // Qwen3's leaves out reasoning, also if it is empty
				t.Fatalf("%s: %d calls, %+v", name, calls, result)
			}
			next = nil
			all := ""
			for _, call := range result.Message.ToolCalls {
				var a struct {
					Zone  string
					Exact bool
				}
				if err := json.Unmarshal([]byte(call.Arguments), &a); err != nil || a.Zone != "UTC" && a.Zone != "CET" {
					t.Errorf("%s: %s: %v", name, call.Arguments, err)
				}
				all += call.Arguments
				next = append(next, runtime.ToolResult(call, "noon"))
			}
			if all != arguments.String() {
				t.Errorf("%s: streamed %s, whole %s", name, arguments.String(), all)
			}
		}
		messages := c.Messages()
		if last := messages[len(messages)-1]; last.Role != "assistant" || len(last.ToolCalls) == 0 || last.Content != "" {
			t.Errorf("%s: the last message is %+v", name, last)
		}
	}
}

// Whatever is drawn, a call that must come is one of a tool, and follows its schema. One call is one.
func TestRequiredCalls(t *testing.T) {
	for _, name := range []string{"qwen3", "own"} {
		m := withTemplate(t, template(t, name))
		for seed := range uint64(6) {
			choice := runtime.ToolChoice{Mode: runtime.ToolRequired, Single: seed%2 == 0}
			p, err := m.ChatPrompt(t.Context(), []runtime.Message{{Role: "user", Content: "Go"}}, runtime.Tools(clock, runtime.Tool{Name: "stop"}), runtime.ChooseTools(choice),
				runtime.Variables(map[string]any{"enable_thinking": false}))
			if err != nil {
				t.Fatal(err)
			}
			g, err := p.Options(runtime.Generate{MaxTokens: 200, Temperature: new(1.5), TopK: new(0), TopP: new(1.0), MinP: new(0.0), Seed: &seed})
			if err != nil {
				t.Fatal(err)
			}
			text, r, err := collect(p.Read(m.GenerateTokens(t.Context(), p.Tokens, g)))
			if err != nil {
				t.Fatal(err)
			}
			calls := r.Message.ToolCalls
			if len(calls) == 0 || r.Message.Content != "" && r.Stop == runtime.StopEOS || choice.Single && len(calls) > 1 || r.Stop != runtime.StopEOS && r.Stop != runtime.StopLength {
				t.Fatalf("%s: %q: %+v", name, text, r)
			}
			if r.Stop == runtime.StopLength { // the last one may be cut off
				calls = calls[:len(calls)-1]
			}
			for _, call := range calls {
				var a map[string]any
				err := json.Unmarshal([]byte(call.Arguments), &a)
				switch {
				case err != nil:
				case call.Name == "stop" && len(a) == 0:
				case call.Name == "clock" && (a["zone"] == "UTC" || a["zone"] == "CET"):
				default:
					err = errors.New("it does not follow the schema")
				}
				if err != nil {
					t.Errorf("%s: %s(%s): %v", name, call.Name, call.Arguments, err)
				}
			}
		}
	}
}

// The same tools have the same grammar, which is read once; others do not.
func TestCallGrammars(t *testing.T) {
	m := open(t, runtime.Options{})
	of := func(opts ...runtime.ChatOption) *grammar.Grammar {
		t.Helper()
		p, err := m.ChatPrompt(t.Context(), talk[:2], opts...)
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Options(runtime.Generate{})
		if err != nil {
			t.Fatal(err)
		}
		return g.Grammar
	}
	first := of(runtime.Tools(clock, weather))
	if of(runtime.Tools(clock, weather)) != first {
		t.Error("it is read again")
	}
	strict := clock
	strict.Strict = true
	for i, opts := range [][]runtime.ChatOption{{runtime.Tools(weather)}, {runtime.Tools(strict, weather)}, {runtime.Tools(clock, weather), must("clock")}} {
		if of(opts...) == first {
			t.Errorf("case %d has the same grammar", i)
		}
	}
	large := json.RawMessage(`{"description": "` + strings.Repeat("x", 60_000) + `"}`)
	for i := range 20 { // more than are kept
		of(runtime.Tools(runtime.Tool{Name: fmt.Sprint("tool", i), Parameters: large}))
	}
	if of(runtime.Tools(clock, weather)) == first {
		t.Error("it is kept for ever")
	}
}
