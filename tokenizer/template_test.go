package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
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
	hi := []Message{{"user", "Hi"}}
	long := []Message{
		{"system", "Be brief."}, {"user", "1+1?"}, {"assistant", "<think>\nEasy.\n</think>\n\n2"}, {"user", "2+2?"},
		{"assistant", "<think>\nHm.\n</think>\n\n4"},
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
		{"tiny: own system message", tiny, []Message{{"system", "S"}, {"user", " x "}}, TemplateOptions{},
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n x <|im_end|>\n"},
		{"Qwen3", qwen3, hi, prompt, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"Qwen3 without thinking", qwen3, hi, TemplateOptions{AddGenerationPrompt: true, Extra: map[string]any{"enable_thinking": false}},
			"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
		{"Qwen3 keeps only the last thoughts", qwen3, long, TemplateOptions{},
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n" +
				"<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\nHm.\n</think>\n\n4<|im_end|>\n"},
		{"Qwen3 tool results", qwen3, []Message{{"user", "q"}, {"assistant", "calls"}, {"tool", "r1"}, {"tool", "r2"}}, prompt,
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
			got, err := template.Render(test.messages, test.opts)
			if err != nil || got != test.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

// TestJinja renders what Jinja2 3.1.6 rendered, set up as Transformers does:
// the templates of several models in many conversations, white space control,
// expressions and statements. Where Jinja2 raised an error, so must we.
func TestJinja(t *testing.T) {
	data, err := os.ReadFile("testdata/jinja.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	type golden struct {
		Templates map[string]string // in the first line: source by name

		Config, Named, Template string // one of the three
		Messages                []Message
		AddGenerationPrompt     bool `json:"add_generation_prompt"`
		Tools                   []json.RawMessage
		Extra                   map[string]any
		Want, Error             string
	}
	var first golden
	templates := map[string]*Template{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if n == 1 {
			first = g
			continue
		}
		source := g.Template
		if g.Config != "" {
			source = modelTemplate(t, g.Config)
		} else if g.Named != "" {
			source = first.Templates[g.Named]
		}
		var tools []any
		for _, tool := range g.Tools {
			tools = append(tools, tool)
		}
		var got string
		var err error
		if templates[source] == nil {
			templates[source], err = ParseTemplate(source)
		}
		if err == nil {
			got, err = templates[source].Render(g.Messages, TemplateOptions{
				AddGenerationPrompt: g.AddGenerationPrompt, Tools: tools, BOSToken: "<s>", EOSToken: "</s>",
				Now: time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC), Extra: g.Extra,
			})
		}
		if got != g.Want || (err != nil) != (g.Error != "") {
			t.Errorf("line %d, %.80q:\n got %q, %v\nwant %q, %s", n, source, got, err, g.Want, g.Error)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for source, want := range map[string]string{
		"{{ raise_exception('roles must alternate') }}": "chat template: roles must alternate",
		"{% nosuch %}":           "nosuch",
		"{{ 1 | nosuch }}":       "nosuch",
		"{{ 'a'.nosuch() }}":     "nosuch",
		"{{ nosuch.a }}":         "nosuch",
		"{% if true %}":          "",
		"{{ 1":                   "has no end",
		"{# 1":                   "has no end",
		"{% raw %}1":             "has no end",
		"{% include '/etc/x' %}": "/etc/x",
		"{{ 1 % 0 }}":            "divide by zero",
		"{{ range(10 ** 9) }}":   "range",
		"{{ nosuch | tojson }}":  "undefined",
	} {
		template, err := ParseTemplate(source)
		if err == nil {
			_, err = template.Render(nil, TemplateOptions{})
		}
		if err == nil || !strings.HasPrefix(err.Error(), "chat template: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", source, err, want)
		}
	}
	template, err := ParseTemplate("{{ x }}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := template.Render(nil, TemplateOptions{Extra: map[string]any{"x": func() {}}}); err == nil {
		t.Error("a function as a variable gives no error")
	}
}

func TestChatTemplate(t *testing.T) {
	for config, want := range map[string]string{
		`{"chat_template": "x"}`:  "x",
		`{"chat_template": null}`: "",
		`{}`:                      "",
		`{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]}`: "d",
	} {
		if got, err := ChatTemplate([]byte(config)); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", config, got, err, want)
		}
	}
	for _, config := range []string{`{`, `{"chat_template": 5}`, `{"chat_template": [{"name": "rag", "template": "r"}]}`} {
		if got, err := ChatTemplate([]byte(config)); err == nil {
			t.Errorf("%s: %q without an error", config, got)
		}
	}
}

func TestConcurrentRender(t *testing.T) {
	template, err := ParseTemplate(modelTemplate(t, "qwen-tokenizer"))
	if err != nil {
		t.Fatal(err)
	}
	messages := []Message{{"user", "a"}, {"assistant", "<think>\nb</think>c"}, {"user", "d"}}
	want, err := template.Render(messages, TemplateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got, err := template.Render(messages, TemplateOptions{}); got != want || err != nil {
				t.Errorf("differs between goroutines: %q, %v", got, err)
			}
		})
	}
	group.Wait()
}
