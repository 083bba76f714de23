package toolcall_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"st/runtime/toolcall"
)

type call = toolcall.Call

// answer is an answer, separated into its parts.
type answer struct {
	Content, Reasoning string
	Calls              []call
}

// add adds what a parser returned.
func (a *answer) add(deltas ...toolcall.Delta) {
	for _, d := range deltas {
		switch d.Kind {
		case toolcall.Content:
			a.Content += d.Text
		case toolcall.Reasoning:
			a.Reasoning += d.Text
		case toolcall.Begin:
			a.Calls = append(a.Calls, call{Name: d.Text})
		case toolcall.Arguments:
			a.Calls[d.Call].Arguments += d.Text
		}
	}
}

// hermes looks for calls as Qwen3 writes them.
var hermes = toolcall.Options{Form: toolcall.Hermes, Reasoning: toolcall.Think}

// coder is what is looked for in answers of Qwen3-Coder.
var coder = toolcall.Options{Form: toolcall.QwenCoder, Strings: func(function, parameter string) bool { return parameter == "city" }}

// cases are answers and what they are told apart into.
var cases = []struct {
	name    string
	options toolcall.Options
	text    string
	want    answer
}{
	{"content", hermes, " Hello,\n world <b>\n", answer{Content: " Hello,\n world <b>\n"}},
	{"nothing", hermes, "", answer{}},
	{"white space", hermes, " \n", answer{Content: " \n"}},
	{"call", hermes, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>",
		answer{Calls: []call{{"weather", `{"city": "Oslo"}`}}}},
	{"content and two calls", hermes, "I look.\n<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"name\":\"b\",\"arguments\":{\"x\":[1,{}]}}</tool_call>\n",
		answer{Content: "I look.", Calls: []call{{"a", "{}"}, {"b", `{"x":[1,{}]}`}}}},
	{"content after calls", hermes, `<tool_call>{"name": "a", "arguments": {}}</tool_call> Done. `, answer{Content: "Done. ", Calls: []call{{"a", "{}"}}}},
	{"reasoning", hermes, "<think>\nHm, <tool_call> it is.\n\n</think>\n\nYes.\n", answer{Reasoning: "Hm, <tool_call> it is.", Content: "Yes.\n"}},
	{"empty reasoning", hermes, "<think>\n\n</think>\n\nYes", answer{Content: "Yes"}},
	{"reasoning that is cut off", hermes, "<think>\nHm </thi", answer{Reasoning: "Hm </thi"}},
	{"reasoning and a call", hermes, "<think>a</think>\n\n<tool_call>{\"name\":\"a\",\"arguments\":{}}", answer{Reasoning: "a", Calls: []call{{"a", "{}"}}}},
	{"reasoning that the prompt opened", toolcall.Options{Reasoning: toolcall.Think, Thinking: true}, "\nHm.\n</think>\nYes", answer{Reasoning: "Hm.", Content: "Yes"}},
	{"tags later on", hermes, "Say <think>x</think>", answer{Content: "Say <think>x</think>"}},
	{"no tags are looked for", toolcall.Options{}, "<think>x</think>\n<tool_call>{}", answer{Content: "<think>x</think>\n<tool_call>{}"}},
	{"other keys", hermes, `<tool_call>{"type": "function", "id": 7, "name": "a", "parameters": {"b": "\"}"}, "x": [1, "]"]}</tool_call>`,
		answer{Calls: []call{{"a", `{"b": "\"}"}`}}}},
	{"arguments first", hermes, `<tool_call>{"arguments": {"b": 1}, "name": "a"}</tool_call>`, answer{Calls: []call{{"a", `{"b": 1}`}}}},
	{"arguments in a string", hermes, `<tool_call>{"name": "a", "arguments": "{\"b\": \"\u00e9\"}"}</tool_call>`, answer{Calls: []call{{"a", `{"b": "é"}`}}}},
	{"no arguments", hermes, `<tool_call>{"name": "a"}</tool_call>`, answer{Calls: []call{{"a", `{}`}}}},
	{"a list in the tag", hermes, `<tool_call>[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]</tool_call>`, answer{Calls: []call{{"a", `{}`}, {"b", `{}`}}}},
	{"no end tag", hermes, `<tool_call>{"name": "a", "arguments": {}}<tool_call>{"name": "b", "arguments": {}}`, answer{Calls: []call{{"a", `{}`}, {"b", `{}`}}}},
	{"bracket missing", hermes, `<tool_call>{"name": "a", "arguments": {}` + "\n</tool_call>Hi", answer{Content: "Hi", Calls: []call{{"a", `{}`}}}},
	{"the tag in a string", hermes, `<tool_call>{"name": "a", "arguments": {"x": "</tool_call>"}}</tool_call>`, answer{Calls: []call{{"a", `{"x": "</tool_call>"}`}}}},
	{"arguments that are cut off", hermes, `<tool_call>{"name": "a", "arguments": {"b": "`, answer{Calls: []call{{"a", `{"b": "`}}}},
	{"a name that is cut off", hermes, "Hi <tool_call>\n{\"name\": \"a", answer{Content: "Hi <tool_call>\n{\"name\": \"a"}},
	{"no call in the tag", hermes, "<tool_call>\nweather(1)</tool_call> x", answer{Content: "<tool_call>\nweather(1)</tool_call> x"}},
	{"an empty tag", hermes, "a <tool_call> </tool_call>", answer{Content: "a <tool_call> </tool_call>"}},
	{"no name", hermes, `<tool_call>{"arguments": {"a": 1}}</tool_call>`, answer{Content: `<tool_call>{"arguments": {"a": 1}}</tool_call>`}},
	{"not JSON", hermes, `<tool_call>{'name': 'a'}</tool_call>`, answer{Content: `<tool_call>{'name': 'a'}</tool_call>`}},
	{"a second call that is none", hermes, `<tool_call>{"name": "a", "arguments": {}}, {"nam`, answer{Content: `{"nam`, Calls: []call{{"a", "{}"}}}},
	{"an end tag that is cut off", hermes, `<tool_call>{"name": "a", "arguments": {}}</tool_`, answer{Calls: []call{{"a", "{}"}}}},

	{"Llama", toolcall.Options{Form: toolcall.Llama, Functions: []string{"a"}}, `{"name": "a", "parameters": {"x": 1}}`, answer{Calls: []call{{"a", `{"x": 1}`}}}},
	{"Llama, two", toolcall.Options{Form: toolcall.Llama, Functions: []string{"a"}}, ` {"name": "a", "parameters": {}}; {"name": "a", "parameters": {}}`,
		answer{Calls: []call{{"a", `{}`}, {"a", `{}`}}}},
	{"Llama, other JSON", toolcall.Options{Form: toolcall.Llama, Functions: []string{"a"}}, ` {"name": "b", "parameters": {}}`, answer{Content: ` {"name": "b", "parameters": {}}`}},
	{"Llama, marker", toolcall.Options{Form: toolcall.Llama}, `<|python_tag|>{"name": "a", "parameters": {}}`, answer{Calls: []call{{"a", `{}`}}}},
	{"Llama, code", toolcall.Options{Form: toolcall.Llama}, `<|python_tag|>print(1)`, answer{Content: `<|python_tag|>print(1)`}},
	{"Mistral", toolcall.Options{Form: toolcall.Mistral}, `[TOOL_CALLS][{"name": "a", "arguments": {"x": 1}, "id": "123456789"}, {"name": "b", "arguments": {}}] ok`,
		answer{Content: "ok", Calls: []call{{"a", `{"x": 1}`}, {"b", `{}`}}}},
	{"Mistral, named", toolcall.Options{Form: toolcall.MistralNamed}, `Now.[TOOL_CALLS]a[CALL_ID]123456789[ARGS]{"x": "]}"}[TOOL_CALLS]b[ARGS]{}`,
		answer{Content: "Now.", Calls: []call{{"a", `{"x": "]}"}`}, {"b", `{}`}}}},
	{"DeepSeek", toolcall.Options{Form: toolcall.DeepSeek, Reasoning: toolcall.Think, Thinking: true},
		"Hm.</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>a\n```json\n{\"x\": 1}\n```<｜tool▁call▁end｜>\n" +
			"<｜tool▁call▁begin｜>function<｜tool▁sep｜>b\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
		answer{Reasoning: "Hm.", Content: "I look.", Calls: []call{{"a", `{"x": 1}`}, {"b", `{}`}}}},
	{"DeepSeek, named", toolcall.Options{Form: toolcall.DeepSeekNamed},
		`<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>a<｜tool▁sep｜>{"x": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>b<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
		answer{Calls: []call{{"a", `{"x": 1}`}, {"b", `{}`}}}},
	{"DeepSeek, no call", toolcall.Options{Form: toolcall.DeepSeek}, "<｜tool▁calls▁begin｜>none", answer{Content: "<｜tool▁calls▁begin｜>none"}},
	{"Qwen Coder", coder, "I look.\n<tool_call>\n<function=weather>\n<parameter=city>\nOslo \"x\"\nand </b>é\n</parameter>\n<parameter=days>\n3\n</parameter>\n" +
		"<parameter=more>\n[1, {\"a\": null}]\n</parameter>\n<parameter=deep>\nTrue\n</parameter>\n<parameter=note>\nplain\n</parameter>\n</function>\n</tool_call>\n" +
		"<tool_call>\n<function=b>\n</function>\n</tool_call>",
		answer{Content: "I look.", Calls: []call{
			{"weather", `{"city": "Oslo \"x\"\nand </b>é", "days": 3, "more": [1, {"a": null}], "deep": true, "note": "plain"}`}, {"b", `{}`}}}},
	{"Qwen Coder, a string that reads as a number", coder, "<tool_call><function=weather><parameter=city>1</parameter></function></tool_call>",
		answer{Calls: []call{{"weather", `{"city": "1"}`}}}},
	{"Qwen Coder, cut off", coder, "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</para", answer{Calls: []call{{"weather", `{"city": "Oslo\n</para`}}}},
	{"Qwen Coder, no call", coder, "<tool_call>\n<func>", answer{Content: "<tool_call>\n<func>"}},
	{"Phi", toolcall.Options{Form: toolcall.Phi}, `<|tool_call|>[{"name": "a", "arguments": {}}]<|/tool_call|>`, answer{Calls: []call{{"a", `{}`}}}},
}

// read reads an answer in pieces of so many bytes.
func read(o toolcall.Options, text string, size func() int) (a answer, deltas []toolcall.Delta) {
	p := toolcall.NewParser(o)
	for text != "" {
		n := min(size(), len(text))
		deltas = append(deltas, p.Push(text[:n])...)
		text = text[n:]
	}
	deltas = append(deltas, p.Close()...)
	a.add(deltas...)
	return a, deltas
}

// Every case, in every way in which it can be cut.
func TestParser(t *testing.T) {
	for _, tt := range cases {
		for size := range len(tt.text) + 1 {
			got, _ := read(tt.options, tt.text, func() int { return size + 1 })
			if !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("%s, pieces of %d:\n got %+v\nwant %+v", tt.name, size+1, got, tt.want)
			}
		}
	}
}

// check returns an error if deltas do not come in their order: a call begins once, has arguments, and ends once.
func check(deltas []toolcall.Delta) error {
	calls, open := 0, false
	for i, d := range deltas {
		switch d.Kind {
		case toolcall.Begin:
			if open || d.Call != calls || d.Text == "" {
				return fmt.Errorf("delta %d: %+v: a call begins", i, d)
			}
			calls, open = calls+1, true
		case toolcall.Arguments, toolcall.End:
			if !open || d.Call != calls-1 {
				return fmt.Errorf("delta %d: %+v: no call is open", i, d)
			}
			open = d.Kind == toolcall.Arguments
		default:
			if open {
				return fmt.Errorf("delta %d: %+v: a call is open", i, d)
			}
		}
	}
	if open {
		return fmt.Errorf("the last call has no end")
	}
	return nil
}

// checkCuts compares an answer in random pieces with the whole.
func checkCuts(o toolcall.Options, text string, r *rand.Rand) error {
	want, deltas := read(o, text, func() int { return len(text) })
	if err := check(deltas); err != nil {
		return err
	}
	for range 4 {
		got, deltas := read(o, text, func() int { return 1 + r.IntN(7) })
		if err := check(deltas); err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("in pieces %+v, whole %+v", got, want)
		}
	}
	// Nothing is lost: what remains of letters is there.
	kept := want.Content + want.Reasoning
	for _, c := range want.Calls {
		kept += c.Name + c.Arguments
	}
	if len(want.Calls) == 0 && o.Reasoning == (toolcall.Tags{}) && kept != text {
		return fmt.Errorf("%q becomes %q", text, kept)
	}
	return nil
}

// parts are what texts are made of in tests.
var parts = []string{"<tool_call>", "</tool_call>", "<think>", "</think>", "[TOOL_CALLS]", "<|tool_call|>", "<|/tool_call|>", "<|python_tag|>", `{"name": "a"`, `, "arguments": `,
	`{"x": "y"}`, "{", "}", "[", "]", `"`, `\`, ",", ";", "\n", " ", "text", "é", "<", `"name": "b"`, `"parameters": "{}"`, "1", ":",
	"[ARGS]", "[CALL_ID]", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "function<｜tool▁sep｜>", "\n```json\n", "\n```<｜tool▁call▁end｜>",
	"<function=", ">\n", "<parameter=", "</parameter>", "</function>"}

// options are those of every form, with and without reasoning.
func options() (all []toolcall.Options) {
	for _, f := range append([]*toolcall.Form{nil}, toolcall.Forms...) {
		all = append(all, toolcall.Options{Form: f, Functions: []string{"a"}}, toolcall.Options{Form: f, Reasoning: toolcall.Think},
			toolcall.Options{Form: f, Reasoning: toolcall.Think, Thinking: true})
	}
	return all
}

// Any cut gives the same answer, of any text.
func TestCuts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var text strings.Builder
		for range 1 + r.IntN(14) {
			text.WriteString(parts[r.IntN(len(parts))])
		}
		all := options()
		o := all[r.IntN(len(all))]
		if err := checkCuts(o, text.String(), r); err != nil {
			t.Fatalf("%+v: %q: %v", o, text.String(), err)
		}
	}
}

// What a form writes, it reads.
func TestWrite(t *testing.T) {
	calls := []call{{"weather", `{"city":"Oslo"}`}, {"é\"x", `{}`}, {"weather", `{"a":{"b":[1]}}`}}
	for _, f := range toolcall.Forms {
		for n := range len(calls) + 1 {
			o := toolcall.Options{Form: f, Functions: []string{"weather", "é\"x"}}
			got, _ := read(o, f.Write(calls[:n]), func() int { return 3 })
			for i := range got.Calls { // white space may be another
				var b bytes.Buffer
				if err := json.Compact(&b, []byte(got.Calls[i].Arguments)); err != nil {
					t.Errorf("%s: %v", f.Name, err)
				}
				got.Calls[i].Arguments = b.String()
			}
			if len(got.Calls) != n || n > 0 && !reflect.DeepEqual(got.Calls, calls[:n]) || got.Content != "" {
				t.Errorf("%s: %q: %+v", f.Name, f.Write(calls[:n]), got)
			}
		}
	}
}

func FuzzParser(f *testing.F) {
	for _, tt := range cases {
		f.Add(tt.text, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		for _, o := range options() {
			if err := checkCuts(o, text, r); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
		}
	})
}
