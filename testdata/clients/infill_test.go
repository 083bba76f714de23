package clients

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"
	"github.com/openai/openai-go/v3"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/quant"
	"st/runtime/server"
)

// The clients of both APIs get the same text for a gap.
func TestInfill(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "fills.stm")
	err := os.CopyFS(dir, os.DirFS("../tiny-smallthinker"))
	if err == nil {
		err = ckpttest.AddInfill(dir)
	}
	if err == nil {
		_, err = convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	}
	if err != nil {
		t.Fatal(err)
	}
	_, url := serve(t, server.Options{Models: []string{path}})
	ai := newOpenAI(url)
	p := openai.CompletionNewParams{Model: "fills", MaxTokens: openai.Int(8), Temperature: openai.Float(0), Suffix: openai.String(" to him."),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("The king said")}}
	whole, err := ai.Completions.New(t.Context(), p)
	if err != nil || len(whole.Choices) != 1 || whole.Choices[0].Text == "" {
		t.Fatalf("%+v, %v", whole, err)
	}
	streamed := ""
	stream := ai.Completions.NewStreaming(t.Context(), p)
	for stream.Next() {
		streamed += stream.Current().Choices[0].Text
	}
	if err := stream.Err(); err != nil || streamed != whole.Choices[0].Text {
		t.Errorf("streamed %q, %v; want %q", streamed, err, whole.Choices[0].Text)
	}
	c := newOllama(t, url, "")
	show, err := c.Show(t.Context(), &api.ShowRequest{Model: "fills"})
	if err != nil || !slices.Contains(show.Capabilities, model.CapabilityInsert) {
		t.Errorf("%+v, %v", show, err)
	}
	text := ""
	err = c.Generate(t.Context(), &api.GenerateRequest{Model: "fills", Prompt: "The king said", Suffix: " to him.", Options: map[string]any{"num_predict": 8, "temperature": 0}},
		func(a api.GenerateResponse) error { text += a.Response; return nil })
	if err != nil || text != whole.Choices[0].Text {
		t.Errorf("Ollama's client: %q, %v; want %q", text, err, whole.Choices[0].Text)
	}
}
