package clients

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"st/runtime/server"
)

func newAnthropic(url string, opts ...option.RequestOption) *anthropic.Client {
	return new(anthropic.NewClient(append([]option.RequestOption{option.WithBaseURL(url), option.WithAPIKey("none"), option.WithMaxRetries(0)}, opts...)...))
}

func anthropicChat(tokens int64, said ...string) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: "tiny", MaxTokens: tokens, Temperature: anthropic.Float(0), System: []anthropic.TextBlockParam{{Text: "Speak as a king."}}}
	for i, text := range said {
		if i%2 == 0 {
			p.Messages = append(p.Messages, anthropic.NewUserMessage(anthropic.NewTextBlock(text)))
		} else {
			p.Messages = append(p.Messages, anthropic.NewAssistantMessage(anthropic.NewTextBlock(text)))
		}
	}
	return p
}

// A conversation of two turns, whole and streamed, gives the same texts, and count_tokens tells how long its prompt is.
func TestAnthropicMessages(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newAnthropic(url)
	said := []string{"Who goes there?"}
	for range 2 {
		p := anthropicChat(12, said...)
		whole, err := c.Messages.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		stream := c.Messages.NewStreaming(t.Context(), p)
		var acc anthropic.Message
		for stream.Next() {
			if err := acc.Accumulate(stream.Current()); err != nil {
				t.Error(err)
			}
		}
		text := whole.Content[0].Text
		if err := stream.Err(); err != nil || text == "" || acc.Content[0].Text != text || acc.StopReason != whole.StopReason || acc.Usage.OutputTokens != whole.Usage.OutputTokens {
			t.Errorf("streamed: %+v, %v; whole: %+v", acc, err, whole)
		}
		n, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: "tiny", Messages: p.Messages,
			System: anthropic.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System}})
		if u := whole.Usage; err != nil || n.InputTokens != u.InputTokens+u.CacheReadInputTokens {
			t.Errorf("%+v, %v; the answer's prompt has %+v", n, err, u)
		}
		said = append(said, text, "Go on.")
	}
	p := anthropicChat(12, "Who goes there?")
	whole, err := c.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	stop := strings.Fields(whole.Content[0].Text)[1]
	p.StopSequences, p.TopK, p.TopP = []string{stop}, anthropic.Int(5), anthropic.Float(0.9)
	if a, err := c.Messages.New(t.Context(), p); err != nil || a.StopReason != anthropic.StopReasonStopSequence || a.StopSequence != stop {
		t.Errorf("stopped at %q: %+v, %v", stop, a, err)
	}
}

func TestAnthropicModels(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newAnthropic(url)
	list, err := c.Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil || len(list.Data) != 1 || list.Data[0].ID != "tiny" || list.Data[0].DisplayName == "" || list.Data[0].CreatedAt.IsZero() || list.HasMore {
		t.Fatalf("%+v, %v", list, err)
	}
	if m, err := c.Models.Get(t.Context(), "tiny", anthropic.ModelGetParams{}); err != nil || m.ID != "tiny" {
		t.Errorf("%+v, %v", m, err)
	}
	var e *anthropic.Error
	if _, err := c.Models.Get(t.Context(), "claude", anthropic.ModelGetParams{}); !errors.As(err, &e) || e.StatusCode != http.StatusNotFound || e.Type() != "not_found_error" {
		t.Errorf("%v", err)
	}
}

func TestAnthropicErrors(t *testing.T) {
	_, url := serve(t, server.Options{APIKey: "secret"})
	c := newAnthropic(url, option.WithAPIKey("secret"))
	ask := func(c *anthropic.Client, change func(p *anthropic.MessageNewParams)) error {
		p := anthropicChat(5, "Hi")
		change(&p)
		_, err := c.Messages.New(t.Context(), p)
		return err
	}
	stream := func(p anthropic.MessageNewParams) error {
		s := c.Messages.NewStreaming(t.Context(), p)
		for s.Next() {
		}
		return s.Err()
	}
	for _, tt := range []struct {
		name      string
		err       error
		status    int
		typ, want string
	}{
		{"a wrong key", ask(newAnthropic(url), func(*anthropic.MessageNewParams) {}), http.StatusUnauthorized, "authentication_error", "key"},
		{"a wrong field", ask(c, func(p *anthropic.MessageNewParams) { p.TopP = anthropic.Float(7) }), http.StatusBadRequest, "invalid_request_error", "top_p"},
		{"a wrong field of a stream", stream(anthropicChat(0, "Hi")), http.StatusBadRequest, "invalid_request_error", "max_tokens"},
		{"a model that is not there", ask(c, func(p *anthropic.MessageNewParams) { p.Model = "claude" }), http.StatusNotFound, "not_found_error", "claude"},
	} {
		var e *anthropic.Error
		if !errors.As(tt.err, &e) || e.StatusCode != tt.status || string(e.Type()) != tt.typ || !strings.Contains(e.RawJSON(), tt.want) || e.RequestID == "" {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
}

func TestAnthropicQueueFull(t *testing.T) {
	_, url := serve(t, onePlace)
	release := occupy(t, url)
	var e *anthropic.Error
	if _, err := newAnthropic(url).Messages.New(t.Context(), anthropicChat(1, "Hi")); !errors.As(err, &e) || e.StatusCode != http.StatusTooManyRequests ||
		e.Type() != "rate_limit_error" || e.Response.Header.Get("Retry-After") == "" {
		t.Errorf("%v", err)
	}
	release()
	free(t, url)
}

func TestAnthropicCancelled(t *testing.T) {
	_, url := serve(t, onePlace)
	ctx, cancel := context.WithCancel(t.Context())
	stream := newAnthropic(url).Messages.NewStreaming(ctx, anthropicChat(5000, "Speak"))
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
}

func TestAnthropicErrorInStream(t *testing.T) {
	s, url := serve(t, server.Options{})
	stream := newAnthropic(url).Messages.NewStreaming(t.Context(), anthropicChat(5000, "Speak"))
	for range 4 {
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
	}
	s.Close()
	for stream.Next() {
	}
	contains(t, stream.Err(), "overloaded_error")
	contains(t, stream.Err(), "shutting down")
}
