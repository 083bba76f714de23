package runtime_test

import (
	"encoding/json"
	"slices"
	"testing"

	"st/runtime"
)

// A model of the form of Qwen3-Coder that must call a tool writes its parameters in tags, and the answer has them as JSON of the schema.
func TestTaggedCalls(t *testing.T) {
	m := withTemplate(t, "{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls %}<tool_call>\n<function={{ c.function.name }}>\n{% for k, v in c.function.arguments|items %}"+
		"<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}</function>\n</tool_call>{% endfor %}\n{% endfor %}{% for t in tools %}{{ t.function.name }}{% endfor %}")
	tool := runtime.Tool{Name: "plan", Parameters: json.RawMessage(`{"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "2"]}, "days": {"$ref": "#/$defs/days"}, "kind": {"enum": ["walk", 2]}},
		"required": ["city", "days", "kind"], "$defs": {"days": {"type": "integer", "minimum": 1, "maximum": 9}}}`)}
	p, err := m.ChatPrompt(t.Context(), []runtime.Message{{Role: "user", Content: "Oslo?"}}, runtime.Tools(tool),
		runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired, Single: true}))
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Options(runtime.Generate{MaxTokens: 400})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(8) {
		g.Seed = new(seed)
		var done *runtime.Result
		for piece, err := range p.Read(m.GenerateTokens(t.Context(), p.Tokens, g)) {
			if err != nil {
				t.Fatal(err)
			}
			done = piece.Done
		}
		answer := done.Message
		if len(answer.ToolCalls) != 1 || answer.ToolCalls[0].Name != "plan" || answer.Content != "" {
			t.Fatalf("%+v", answer)
		}
		if done.Unfinished {
			t.Errorf("the call has not ended: %+v", answer)
		}
		var arguments struct {
			City string
			Days int
			Kind any
		}
		if err := json.Unmarshal([]byte(answer.ToolCalls[0].Arguments), &arguments); err != nil || arguments.Days < 1 || arguments.Days > 9 ||
			!slices.Contains([]any{"walk", 2.0}, arguments.Kind) || !slices.Contains([]string{"Oslo", "2"}, arguments.City) {
			t.Errorf("%s: %v", answer.ToolCalls[0].Arguments, err)
		}
	}
}
