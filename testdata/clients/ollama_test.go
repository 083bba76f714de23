package clients

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ollama/ollama/api"

	"st/runtime/server"
)

// keyed sends a key with every request, which Ollama's client does not know of.
type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

func newOllama(t *testing.T, base, key string) *api.Client {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return api.NewClient(u, &http.Client{Transport: keyed(key)})
}

func ollamaChat(stream bool, tokens int, messages ...api.Message) *api.ChatRequest {
	return &api.ChatRequest{Model: "tiny", Stream: &stream, Messages: messages, Options: map[string]any{"num_predict": tokens, "temperature": 0, "seed": 1}}
}

// A conversation of two turns, whole and streamed, gives the same texts.
func TestOllamaChat(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOllama(t, url, "")
	said := []api.Message{{Role: "system", Content: "Speak as a king."}, {Role: "user", Content: "Who goes there?"}}
	for range 2 {
		var whole api.ChatResponse
		answers := 0
		if err := c.Chat(t.Context(), ollamaChat(false, 12, said...), func(r api.ChatResponse) error { whole = r; answers++; return nil }); err != nil || answers != 1 {
			t.Fatalf("%d answers, %v", answers, err)
		}
		var text strings.Builder
		var last api.ChatResponse
		if err := c.Chat(t.Context(), ollamaChat(true, 12, said...), func(r api.ChatResponse) error { text.WriteString(r.Message.Content); last = r; return nil }); err != nil {
			t.Fatal(err)
		}
		if whole.Message.Content == "" || text.String() != whole.Message.Content || !last.Done || last.DoneReason != whole.DoneReason || whole.Message.Role != "assistant" {
			t.Errorf("streamed: %q, %+v; whole: %+v", text.String(), last, whole)
		}
		if m := whole.Metrics; m.EvalCount == 0 || m.PromptEvalCount == 0 || m.TotalDuration < m.EvalDuration || m.PromptEvalDuration == 0 {
			t.Errorf("%+v", m)
		}
		said = append(said, whole.Message, api.Message{Role: "user", Content: "Go on."})
	}
}

func TestOllamaGenerate(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOllama(t, url, "")
	ask := func(r *api.GenerateRequest) (text string, last api.GenerateResponse) {
		t.Helper()
		r.Model = "tiny:latest"
		if err := c.Generate(t.Context(), r, func(a api.GenerateResponse) error { text += a.Response; last = a; return nil }); err != nil {
			t.Fatal(err)
		}
		return text, last
	}
	options := map[string]any{"num_predict": 6, "temperature": 0.7, "seed": 5, "top_k": 20, "top_p": 0.9, "min_p": 0.01, "repeat_penalty": 1.1, "stop": []string{"never said"}, "num_ctx": 512}
	whole, _ := ask(&api.GenerateRequest{Prompt: "The king", Stream: new(false), Options: options})
	text, last := ask(&api.GenerateRequest{Prompt: "The king", Options: options, Logprobs: true, TopLogprobs: 2})
	if text != whole || text == "" || len(last.Context) == 0 {
		t.Errorf("streamed: %q, whole: %q; %+v", text, whole, last)
	}
	if _, next := ask(&api.GenerateRequest{Prompt: "Go on", Context: last.Context, Options: options}); next.PromptEvalCount <= len(last.Context) {
		t.Errorf("after %d tokens: %+v", len(last.Context), next.Metrics)
	}
	probs := 0
	err := c.Generate(t.Context(), &api.GenerateRequest{Model: "tiny", Prompt: "The king", Raw: true, Options: options, Logprobs: true, TopLogprobs: 2}, func(a api.GenerateResponse) error {
		for _, l := range a.Logprobs {
			if probs++; len(l.TopLogprobs) != 2 || l.Logprob > 0 {
				t.Errorf("%+v", l)
			}
		}
		return nil
	})
	if err != nil || probs != 6 {
		t.Errorf("%d probabilities, %v", probs, err)
	}
}

// A model is loaded by an empty prompt, is listed while it is loaded, and leaves when keep_alive says so.
func TestOllamaModels(t *testing.T) {
	_, url := serve(t, server.Options{})
	c := newOllama(t, url, "")
	if err := c.Heartbeat(t.Context()); err != nil {
		t.Error(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v == "" {
		t.Errorf("version %q, %v", v, err)
	}
	list, err := c.List(t.Context())
	if err != nil || len(list.Models) != 1 || list.Models[0].Name != "tiny:latest" || list.Models[0].Details.QuantizationLevel != "Q4_0" {
		t.Errorf("%+v, %v", list, err)
	}
	show, err := c.Show(t.Context(), &api.ShowRequest{Model: "tiny"})
	if err != nil || show.Template == "" || len(show.Capabilities) == 0 || show.ModelInfo["general.architecture"] != "smallthinker" {
		t.Errorf("%+v, %v", show, err)
	}
	for _, tt := range []struct {
		keep   time.Duration
		loaded int
		reason string
	}{{time.Hour, 1, "load"}, {0, 0, "unload"}} {
		var reason string
		err := c.Generate(t.Context(), &api.GenerateRequest{Model: "tiny", KeepAlive: &api.Duration{Duration: tt.keep}}, func(r api.GenerateResponse) error { reason = r.DoneReason; return nil })
		if err != nil || reason != tt.reason {
			t.Errorf("keep_alive %v: %q, %v", tt.keep, reason, err)
		}
		running, err := c.ListRunning(t.Context())
		if err != nil || len(running.Models) != tt.loaded || tt.loaded == 1 && time.Until(running.Models[0].ExpiresAt) < 50*time.Minute {
			t.Errorf("keep_alive %v: %+v, %v", tt.keep, running, err)
		}
	}
}

func TestOllamaErrors(t *testing.T) {
	_, url := serve(t, server.Options{APIKey: "secret"})
	c := newOllama(t, url, "secret")
	var auth api.AuthorizationError
	if _, err := newOllama(t, url, "guess").List(t.Context()); !errors.As(err, &auth) || auth.StatusCode != http.StatusUnauthorized {
		t.Errorf("%v", err)
	}
	nothing := func(api.ChatResponse) error { t.Error("there is an answer"); return nil }
	hi := api.Message{Role: "user", Content: "Hi"}
	wrong := ollamaChat(true, 5, hi)
	wrong.Options["top_p"] = 7
	unknown := ollamaChat(true, 5, hi)
	unknown.Model = "llama3"
	for _, tt := range []struct {
		name   string
		err    error
		status int
		wants  string
	}{
		{"a wrong option", c.Chat(t.Context(), wrong, nothing), http.StatusBadRequest, "options.top_p"},
		{"a model that is not there", c.Chat(t.Context(), unknown, nothing), http.StatusNotFound, "model 'llama3' not found"},
		{"embeddings", second(c.Embed(t.Context(), &api.EmbedRequest{Model: "tiny", Input: "x"})), http.StatusBadRequest, "embeddings are not supported"},
		{"embeddings of older clients", second(c.Embeddings(t.Context(), &api.EmbeddingRequest{Model: "tiny", Prompt: "x"})), http.StatusBadRequest, "embeddings are not supported"},
	} {
		var e api.StatusError
		if !errors.As(tt.err, &e) || e.StatusCode != tt.status || !strings.Contains(e.ErrorMessage, tt.wants) {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestOllamaQueueFull(t *testing.T) {
	_, url := serve(t, onePlace)
	release := occupy(t, url)
	var e api.StatusError
	err := newOllama(t, url, "").Chat(t.Context(), ollamaChat(true, 1, api.Message{Role: "user", Content: "Hi"}), func(api.ChatResponse) error { return nil })
	if !errors.As(err, &e) || e.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%v", err)
	}
	release()
	free(t, url)
}

func TestOllamaCancelled(t *testing.T) {
	_, url := serve(t, onePlace)
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	err := newOllama(t, url, "").Chat(ctx, ollamaChat(true, -1, api.Message{Role: "user", Content: "Speak"}), func(api.ChatResponse) error {
		if pieces++; pieces == 3 {
			cancel()
		}
		return nil
	})
	// The client takes a body that breaks off for the end of the stream, and a line that does for an error that the server tells of.
	if pieces < 3 || err != nil && !errors.Is(err, context.Canceled) && !strings.HasPrefix(err.Error(), `{"model":"tiny"`) {
		t.Errorf("%d pieces, %v", pieces, err)
	}
	free(t, url)
}

func TestOllamaErrorInStream(t *testing.T) {
	s, url := serve(t, server.Options{})
	pieces := 0
	err := newOllama(t, url, "").Chat(t.Context(), ollamaChat(true, -1, api.Message{Role: "user", Content: "Speak"}), func(api.ChatResponse) error {
		if pieces++; pieces == 1 {
			s.Close()
		}
		return nil
	})
	contains(t, err, "shutting down")
}
