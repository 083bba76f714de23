package tokenizer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func modelTemplate(tb testing.TB, dir string) string {
	tb.Helper()
	source, err := ChatTemplate(readFile(tb, dir+"/tokenizer_config.json"))
	if err != nil || source == "" {
		tb.Fatalf("ChatTemplate = %q, %v", source, err)
	}
	return source
}

const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}` +
	`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

func TestRender(t *testing.T) {
	tiny, qwen3 := modelTemplate(t, "tiny-smallthinker"), modelTemplate(t, "qwen-tokenizer")
	hi := []Message{{Role: "user", Content: "Hi"}}
	long := []Message{
		{Role: "system", Content: "Be brief."}, {Role: "user", Content: "1+1?"}, {Role: "assistant", Content: "<think>\nEasy.\n</think>\n\n2"}, {Role: "user", Content: "2+2?"},
		{Role: "assistant", Content: "<think>\nHm.\n</think>\n\n4"},
	}
	prompt := TemplateOptions{AddGenerationPrompt: true}
	for _, test := range []struct {
		name, source string
		messages     []Message
		opts         TemplateOptions
		want         string
	}{
		{"ChatML", chatML, hi, prompt, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"ChatML without prompt", chatML, hi, TemplateOptions{}, "<|im_start|>user\nHi<|im_end|>\n"},
		{"tiny: default system message", tiny, hi, prompt,
			"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"tiny: own system message", tiny, []Message{{Role: "system", Content: "S"}, {Role: "user", Content: " x "}}, TemplateOptions{},
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n x <|im_end|>\n"},
		{"Qwen3", qwen3, hi, prompt, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"Qwen3 without thinking", qwen3, hi, TemplateOptions{AddGenerationPrompt: true, Extra: map[string]any{"enable_thinking": false}},
			"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
		{"Qwen3 keeps only the last thoughts", qwen3, long, TemplateOptions{},
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n" +
				"<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\nHm.\n</think>\n\n4<|im_end|>\n"},
		{"Qwen3 tool results", qwen3, []Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: "calls"}, {Role: "tool", Content: "r1"}, {Role: "tool", Content: "r2"}}, prompt,
			"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\ncalls<|im_end|>\n<|im_start|>user\n<tool_response>\nr1\n</tool_response>\n" +
				"<tool_response>\nr2\n</tool_response><|im_end|>\n<|im_start|>assistant\n"},
		{"tools keep the order of their keys", `{{ tools[0] | tojson }}`, nil,
			TemplateOptions{Tools: []any{json.RawMessage(`{"z": 1, "a": {"é<": [1.0, null]}}`)}}, `{"z": 1, "a": {"é<": [1.0, null]}}`},
		{"the date", `{{ strftime_now("%d %b %Y") }}`, nil, TemplateOptions{Now: time.Date(2024, 7, 6, 0, 0, 0, 0, time.UTC)}, "06 Jul 2024"},
		{"BOS and EOS", `{{ bos_token }}x{{ eos_token }}`, nil, TemplateOptions{BOSToken: "<s>", EOSToken: "</s>"}, "<s>x</s>"},
		{"None is not undefined", `{{ tools is defined }} {{ tools is none }} {{ nope is defined }} {{ nope is none }}`, nil, TemplateOptions{},
			"True True False False"},
		{"white space", "  {% if true %}\n  a  {% endif %}\n\n  {#- c #}\n{{- ' b' }}\n", nil, TemplateOptions{}, "  a   b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			template, err := ParseTemplate(test.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := template.Render(context.Background(), test.messages, test.opts)
			if err != nil || got != test.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	for source, want := range map[string]string{
		"{{ raise_exception('roles must alternate') }}": "chat template: line 1: roles must alternate",
		"{% nosuch %}":           "nosuch",
		"{{ 1 | nosuch }}":       "nosuch",
		"{{ 'a'.nosuch() }}":     "nosuch",
		"{{ nosuch.a }}":         "nosuch",
		"{% if true %}":          "",
		"{{ 1":                   "has no end",
		"{# 1":                   "has no end",
		"{% raw %}1":             "has no end",
		"{% include '/etc/x' %}": "include",
		"{{ 1 % 0 }}":            "division by zero",
		"{{ range(10 ** 9) }}":   "range",
		"{{ nosuch | tojson }}":  "undefined",
	} {
		template, err := ParseTemplate(source)
		if err == nil {
			_, err = template.Render(context.Background(), nil, TemplateOptions{})
		}
		if err == nil || !strings.HasPrefix(err.Error(), "chat template: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", source, err, want)
		}
	}
	template, err := ParseTemplate("{{ x }}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := template.Render(context.Background(), nil, TemplateOptions{Extra: map[string]any{"x": func() {}}}); err == nil {
		t.Error("a function as a variable gives no error")
	}
}

func TestChatTemplate(t *testing.T) {
	for config, want := range map[string]string{
		`{"chat_template": "x"}`:  "x",
		`{"chat_template": null}`: "",
		`{}`:                      "",
		`{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]}`:  "d",
		`{"chat_template": [{"name": "rag", "template": "r"}, {"name": "tool_use", "template": "t"}]}`: "t",
		`{"chat_template": [{"name": "rag", "template": "r"}]}`:                                        "r",
		`{"chat_template": []}`: "",
	} {
		if got, err := ChatTemplate([]byte(config)); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", config, got, err, want)
		}
	}
	for _, config := range []string{`{`, `{"chat_template": 5}`} {
		if got, err := ChatTemplate([]byte(config)); err == nil {
			t.Errorf("%s: %q without an error", config, got)
		}
	}
}

// TestChooseTemplate: tools have a template of their own, where there is one.
func TestChooseTemplate(t *testing.T) {
	both := []NamedTemplate{{"rag", "r"}, {"default", "d"}, {"tool_use", "t"}}
	for _, test := range []struct {
		templates []NamedTemplate
		tools     bool
		want      string
	}{
		{both, false, "d"}, {both, true, "t"}, {both[:2], true, "d"}, {both[:1], true, "r"}, {both[:1], false, "r"}, {nil, true, ""},
	} {
		if got := ChooseTemplate(test.templates, test.tools).Template; got != test.want {
			t.Errorf("%v, tools %v: %q, want %q", test.templates, test.tools, got, test.want)
		}
	}
}

// TestEmptyPrompt: a template that writes nothing is an error, for there is
// nothing to run, and rendering ends with its context.
func TestEmptyPrompt(t *testing.T) {
	template, err := ParseTemplate("{% if false %}x{% endif %}")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := template.Render(context.Background(), []Message{{Role: "user", Content: "Hi"}}, TemplateOptions{}); !errors.Is(err, ErrEmptyPrompt) {
		t.Errorf("%q, %v, want ErrEmptyPrompt", text, err)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := template.Render(done, nil, TemplateOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}

func TestConcurrentRender(t *testing.T) {
	template, err := ParseTemplate(modelTemplate(t, "qwen-tokenizer"))
	if err != nil {
		t.Fatal(err)
	}
	messages := []Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "<think>\nb</think>c"}, {Role: "user", Content: "d"}}
	want, err := template.Render(context.Background(), messages, TemplateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got, err := template.Render(context.Background(), messages, TemplateOptions{}); got != want || err != nil {
				t.Errorf("differs between goroutines: %q, %v", got, err)
			}
		})
	}
	group.Wait()
}
