package clients

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"st/runtime/server"
)

func newOpenAI(url string, opts ...option.RequestOption) *openai.Client {
	return new(openai.NewClient(append([]option.RequestOption{option.WithBaseURL(url + "/v1/"), option.WithAPIKey("none"), option.WithMaxRetries(0)}, opts...)...))
}

func openAIChat(tokens int64, said ...string) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: "tiny", MaxTokens: openai.Int(tokens), Temperature: openai.Float(0)}
	for i, text := range said {
		if i%2 == 0 {
			p.Messages = append(p.Messages, openai.UserMessage(text))
		} else {
			p.Messages = append(p.Messages, openai.AssistantMessage(text))
		}
	}
	return p
}

// A conversation of two turns, whole and streamed, gives the same texts; the second turn runs only what is new.
func TestOpenAIChat(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOpenAI(url)
	said := []string{"Who goes there?"}
	for turn := range 2 {
		p := openAIChat(12, said...)
		whole, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		p.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := c.Chat.Completions.NewStreaming(t.Context(), p)
		var acc openai.ChatCompletionAccumulator
		for stream.Next() {
			if !acc.AddChunk(stream.Current()) {
				t.Errorf("a chunk does not fit: %s", stream.Current().RawJSON())
			}
		}
		text := whole.Choices[0].Message.Content
		if err := stream.Err(); err != nil || acc.Choices[0].Message.Content != text || acc.Choices[0].FinishReason != whole.Choices[0].FinishReason {
			t.Errorf("streamed: %+v, %v; whole: %+v", acc.ChatCompletion, err, whole)
		}
		if u := whole.Usage; text == "" || u.CompletionTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens || acc.Usage.TotalTokens != u.TotalTokens ||
			turn == 1 && u.PromptTokensDetails.CachedTokens == 0 {
			t.Errorf("turn %d: %+v, streamed %+v", turn, u, acc.Usage)
		}
		said = append(said, text, "Go on.")
	}
}

func TestOpenAIOptions(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOpenAI(url)
	p := openAIChat(6, "Speak")
	p.Temperature, p.Seed, p.N = openai.Float(1.5), openai.Int(3), openai.Int(3)
	p.Logprobs, p.TopLogprobs = openai.Bool(true), openai.Int(2)
	p.LogitBias = map[string]int64{"5": -100}
	p.PresencePenalty, p.FrequencyPenalty, p.User = openai.Float(0.5), openai.Float(0.5), openai.String("me")
	p.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"never said"}}
	a, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || len(a.Choices) != 3 || len(again.Choices) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i, choice := range a.Choices {
		var text strings.Builder
		for _, l := range choice.Logprobs.Content {
			text.WriteString(l.Token)
			if len(l.TopLogprobs) != 2 || l.Logprob > 0 {
				t.Errorf("%+v", l)
			}
		}
		if choice.Index != int64(i) || text.String() != choice.Message.Content {
			t.Errorf("choice %d: %q, its tokens are %q", i, choice.Message.Content, text.String())
		}
	}
	if a.Choices[0].Message.Content == a.Choices[1].Message.Content {
		t.Error("two choices are the same")
	}
	// Several choices in a stream are told apart by their index.
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	texts := [3]string{}
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			texts[choice.Index] += choice.Delta.Content
		}
	}
	if err := stream.Err(); err != nil {
		t.Error(err)
	}
	for i, choice := range again.Choices {
		if texts[i] != choice.Message.Content {
			t.Errorf("choice %d is %q in a stream and %q as a whole", i, texts[i], choice.Message.Content)
		}
	}
}

func TestOpenAICompletions(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOpenAI(url)
	p := openai.CompletionNewParams{Model: "tiny", MaxTokens: openai.Int(8), Temperature: openai.Float(0), Logprobs: openai.Int(1), Echo: openai.Bool(true),
		Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"The LORD is", "To be"}}}
	whole, err := c.Completions.New(t.Context(), p)
	if err != nil || len(whole.Choices) != 2 {
		t.Fatalf("%+v, %v", whole, err)
	}
	if l := whole.Choices[0].Logprobs; strings.Join(l.Tokens, "") != whole.Choices[0].Text || len(l.TokenLogprobs) != len(l.Tokens) || len(l.TextOffset) != len(l.Tokens) {
		t.Errorf("%+v", l)
	}
	stream := c.Completions.NewStreaming(t.Context(), p)
	texts := [2]string{}
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			texts[choice.Index] += choice.Text
		}
	}
	if err := stream.Err(); err != nil || texts[0] != whole.Choices[0].Text || texts[1] != whole.Choices[1].Text {
		t.Errorf("streamed: %q, %v, want %+v", texts, err, whole.Choices)
	}
}

func TestOpenAIResponses(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOpenAI(url)
	p := responses.ResponseNewParams{Model: "tiny", Instructions: openai.String("Speak as a king."), MaxOutputTokens: openai.Int(8), Temperature: openai.Float(0),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Who goes there?")}}
	whole, err := c.Responses.New(t.Context(), p)
	if err != nil || whole.OutputText() == "" {
		t.Fatalf("%+v, %v", whole, err)
	}
	stream := c.Responses.NewStreaming(t.Context(), p)
	text, last := "", ""
	for stream.Next() {
		e := stream.Current()
		if last = e.Type; e.Type == "response.output_text.delta" {
			text += e.Delta
		}
	}
	if err := stream.Err(); err != nil || text != whole.OutputText() || last != "response."+string(whole.Status) {
		t.Errorf("streamed: %q, %v, the last event is %s; want %q, %s", text, err, last, whole.OutputText(), whole.Status)
	}
}

func TestOpenAIModels(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOpenAI(url)
	list, err := c.Models.List(t.Context())
	if err != nil || len(list.Data) != 1 || list.Data[0].ID != "tiny" {
		t.Fatalf("%+v, %v", list, err)
	}
	if m, err := c.Models.Get(t.Context(), "tiny"); err != nil || m.ID != "tiny" || m.Created == 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestOpenAIErrors(t *testing.T) {
	_, url := serve(t, server.Options{APIKey: "secret"})
	key := option.WithAPIKey("secret")
	for _, tt := range []struct {
		name         string
		key          option.RequestOption
		call         func(c *openai.Client) error
		status       int
		param, wants string
	}{
		{"a wrong key", option.WithAPIKey("guess"), func(c *openai.Client) error {
			_, err := c.Models.List(t.Context())
			return err
		}, http.StatusUnauthorized, "", "key"},
		{"a wrong field", key, func(c *openai.Client) error {
			p := openAIChat(5, "Hi")
			p.TopP = openai.Float(7)
			_, err := c.Chat.Completions.New(t.Context(), p)
			return err
		}, http.StatusBadRequest, "top_p", "between 0 and 1"},
		{"a wrong field of a stream", key, func(c *openai.Client) error {
			p := openAIChat(5, "Hi")
			p.TopP = openai.Float(7)
			s := c.Chat.Completions.NewStreaming(t.Context(), p)
			for s.Next() {
			}
			return s.Err()
		}, http.StatusBadRequest, "top_p", "between 0 and 1"},
		{"a model that is not there", key, func(c *openai.Client) error {
			p := openAIChat(5, "Hi")
			p.Model = "gpt-4o"
			_, err := c.Chat.Completions.New(t.Context(), p)
			return err
		}, http.StatusNotFound, "model", "gpt-4o"},
		{"embeddings", key, func(c *openai.Client) error {
			_, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "tiny", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")}})
			return err
		}, http.StatusBadRequest, "", "embeddings are not supported"},
	} {
		var e *openai.Error
		if err := tt.call(newOpenAI(url, tt.key)); !errors.As(err, &e) || e.StatusCode != tt.status || e.Param != tt.param || !strings.Contains(e.Message, tt.wants) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestOpenAIQueueFull(t *testing.T) {
	_, url := serve(t, onePlace)
	release := occupy(t, url)
	var e *openai.Error
	if _, err := newOpenAI(url).Chat.Completions.New(t.Context(), openAIChat(1, "Hi")); !errors.As(err, &e) || e.StatusCode != http.StatusTooManyRequests ||
		e.Response.Header.Get("Retry-After") == "" {
		t.Errorf("%v", err)
	}
	release()
	free(t, url)
}

// A client that cancels in the middle of a stream, or while it waits for the whole, frees its place.
func TestOpenAICancelled(t *testing.T) {
	_, url := serve(t, onePlace)
	c := newOpenAI(url, option.WithJSONSet("ignore_eos", true), option.WithJSONSet("n", 128))
	ctx, cancel := context.WithCancel(t.Context())
	stream := c.Chat.Completions.NewStreaming(ctx, openAIChat(-1, "Speak"))
	for range 5 {
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
	}
	cancel()
	for stream.Next() {
	}
	if err := stream.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	free(t, url)
	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.Chat.Completions.New(ctx, openAIChat(-1, "Speak"))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	free(t, url)
}

// An error after a stream has begun comes in the stream.
func TestOpenAIErrorInStream(t *testing.T) {
	s, url := serve(t, server.Options{})
	c := newOpenAI(url, option.WithJSONSet("ignore_eos", true), option.WithJSONSet("n", 128))
	chat := c.Chat.Completions.NewStreaming(t.Context(), openAIChat(-1, "Speak"))
	text := c.Completions.NewStreaming(t.Context(), openai.CompletionNewParams{Model: "tiny", MaxTokens: openai.Int(-1),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("The LORD")}})
	if !chat.Next() || !text.Next() {
		t.Fatal(chat.Err(), text.Err())
	}
	s.Close()
	for chat.Next() {
	}
	for text.Next() {
	}
	contains(t, chat.Err(), "shutting_down")
	contains(t, text.Err(), "shutting_down")
}
