package clients

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"st/convert"
	"st/quant"
	"st/runtime/server"
	"st/tokenizer"
)

// withTemplates calls f with the URL of a server of the trained model with the chat template of Qwen2.5 and then with that of Qwen3. The
// model is named tiny.
func withTemplates(t *testing.T, f func(t *testing.T, url string)) {
	for name, file := range map[string]string{"qwen2.5": "../templates/qwen2.5.jinja", "qwen3": "../qwen-tokenizer/tokenizer_config.json"} {
		t.Run(name, func(t *testing.T) {
			dir, path := t.TempDir(), filepath.Join(t.TempDir(), "tiny.stm")
			data, err := os.ReadFile(file)
			template := string(data)
			if err == nil && name == "qwen3" {
				template, err = tokenizer.ChatTemplate(data)
			}
			if err == nil {
				err = os.CopyFS(dir, os.DirFS("../tiny-smallthinker"))
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(template), 0o644)
			}
			if err == nil {
				_, err = convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
			}
			if err != nil {
				t.Fatal(err)
			}
			_, url := serve(t, server.Options{Models: []string{path}})
			f(t, url)
		})
	}
}

// The functions of the tests: their schemas leave a model that was not trained for calls little to choose.
var parameters = map[string]map[string]any{
	"weather": {"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string", "enum": []string{"Oslo"}}}, "required": []string{"city"}, "additionalProperties": false},
	"clock":   {"type": "object", "properties": map[string]any{"zone": map[string]any{"type": "string", "enum": []string{"UTC"}}}, "required": []string{"zone"}, "additionalProperties": false},
}

// called checks a call, and returns what came of it.
func called(t *testing.T, turn int, name, arguments string) (result string) {
	t.Helper()
	want := [][3]string{{"weather", `{"city":"Oslo"}`, "17 degrees"}, {"clock", `{"zone":"UTC"}`, "noon"}}[turn]
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(arguments)); err != nil || name != want[0] || compact.String() != want[1] {
		t.Fatalf("turn %d: %s(%s): %v", turn, name, arguments, err)
	}
	return want[2]
}

// openai-go calls one tool, then another, whole and streamed, and gets an answer.
func TestOpenAITools(t *testing.T) {
	withTemplates(t, func(t *testing.T, url string) {
		c := newOpenAI(url)
		p := openAIChat(200, "How is Oslo?")
		p.SetExtraFields(map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false}})
		for name, schema := range parameters {
			p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Parameters: schema, Strict: openai.Bool(true)}))
		}
		for turn, name := range []string{"weather", "clock"} {
			p.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: name})
			whole, err := c.Chat.Completions.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			stream := c.Chat.Completions.NewStreaming(t.Context(), p)
			var acc openai.ChatCompletionAccumulator
			finished := 0
			for stream.Next() {
				acc.AddChunk(stream.Current())
				if _, ok := acc.JustFinishedToolCall(); ok {
					finished++
				}
			}
			if err := stream.Err(); err != nil || finished != 1 {
				t.Fatalf("%d calls are finished, %v", finished, err)
			}
			for _, choice := range []openai.ChatCompletionChoice{whole.Choices[0], acc.Choices[0]} {
				calls := choice.Message.ToolCalls
				if choice.FinishReason != "tool_calls" || len(calls) != 1 || calls[0].ID == "" {
					t.Fatalf("%+v", choice)
				}
				called(t, turn, calls[0].Function.Name, calls[0].Function.Arguments)
			}
			m := acc.Choices[0].Message
			p.Messages = append(p.Messages, m.ToParam(), openai.ToolMessage(called(t, turn, m.ToolCalls[0].Function.Name, m.ToolCalls[0].Function.Arguments), m.ToolCalls[0].ID))
		}
		p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}
		last, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil || len(last.Choices[0].Message.ToolCalls) != 0 || last.Choices[0].Message.Content == "" {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// anthropic-sdk-go calls one tool, then another, whole and streamed, and gets an answer.
func TestAnthropicTools(t *testing.T) {
	withTemplates(t, func(t *testing.T, url string) {
		c := newAnthropic(url)
		p := anthropicChat(200, "How is Oslo?")
		p.Thinking.OfDisabled = new(anthropic.NewThinkingConfigDisabledParam())
		for name, schema := range parameters {
			p.Tools = append(p.Tools, anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: schema["properties"], Required: schema["required"].([]string),
				ExtraFields: map[string]any{"additionalProperties": false}}, name))
		}
		for turn, name := range []string{"weather", "clock"} {
			p.ToolChoice = anthropic.ToolChoiceParamOfTool(name)
			whole, err := c.Messages.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			stream := c.Messages.NewStreaming(t.Context(), p)
			var acc anthropic.Message
			for stream.Next() {
				if err := acc.Accumulate(stream.Current()); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*anthropic.Message{whole, &acc} {
				if m.StopReason != "tool_use" || len(m.Content) != 1 {
					t.Fatalf("%+v", m)
				}
				called(t, turn, m.Content[0].Name, string(m.Content[0].Input))
			}
			use := acc.Content[0].AsToolUse()
			p.Messages = append(p.Messages, acc.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, called(t, turn, use.Name, string(use.Input)), false)))
		}
		p.ToolChoice = anthropic.ToolChoiceUnionParam{OfNone: new(anthropic.NewToolChoiceNoneParam())}
		last, err := c.Messages.New(t.Context(), p)
		if err != nil || len(last.Content) != 1 || last.Content[0].Type != "text" || last.Content[0].Text == "" {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// choosing adds the field tool_choice to requests, which Ollama's client does not know of: a model that was not trained for calls begins none by
// itself.
type choosing struct{ name string }

func (c *choosing) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	choice := `"none"`
	if c.name != "" {
		choice = `{"type": "function", "function": {"name": "` + c.name + `"}}`
	}
	text := `{"tool_choice": ` + choice + `, ` + strings.TrimPrefix(string(body), "{")
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return http.DefaultTransport.RoundTrip(r)
}

// Ollama's client calls one tool, then another, whole and streamed, and gets an answer.
func TestOllamaTools(t *testing.T) {
	withTemplates(t, func(t *testing.T, base string) {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		choice := &choosing{}
		c := api.NewClient(u, &http.Client{Transport: choice})
		var tools api.Tools
		for name, schema := range parameters {
			data, _ := json.Marshal(map[string]any{"type": "function", "function": map[string]any{"name": name, "description": "It tells the " + name + ".", "parameters": schema}})
			var tool api.Tool
			if err := json.Unmarshal(data, &tool); err != nil {
				t.Fatal(err)
			}
			tools = append(tools, tool)
		}
		said := []api.Message{{Role: "user", Content: "How is Oslo?"}}
		ask := func(stream bool) (m api.Message) {
			t.Helper()
			q := ollamaChat(stream, 200, said...)
			q.Tools, q.Think = tools, &api.ThinkValue{Value: false}
			err := c.Chat(t.Context(), q, func(r api.ChatResponse) error {
				m.Role, m.Content, m.ToolCalls = r.Message.Role, m.Content+r.Message.Content, append(m.ToolCalls, r.Message.ToolCalls...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		for turn, name := range []string{"weather", "clock"} {
			choice.name = name
			var m api.Message
			for _, stream := range []bool{false, true} {
				if m = ask(stream); len(m.ToolCalls) != 1 || m.Content != "" {
					t.Fatalf("%+v", m)
				}
				called(t, turn, m.ToolCalls[0].Function.Name, m.ToolCalls[0].Function.Arguments.String())
			}
			said = append(said, m, api.Message{Role: "tool", ToolName: name, Content: called(t, turn, name, m.ToolCalls[0].Function.Arguments.String())})
		}
		choice.name = ""
		if m := ask(true); len(m.ToolCalls) != 0 || m.Content == "" {
			t.Errorf("%+v", m)
		}
	})
}
