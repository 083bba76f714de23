package server

import (
	"slices"
	"strings"
	"testing"
)

// Clients whose numbers are all floats write whole ones as 40.0: every protocol takes them. Others are no whole numbers.
func TestWholeNumbers(t *testing.T) {
	var chat chatRequest
	var text completionRequest
	var response responsesRequest
	var anthropic anthropicRequest
	var ollama ollamaOptions
	for _, tt := range []struct {
		body string
		dst  any
		got  func() []int
		want []int
	}{
		{`{"max_completion_tokens": 3.0, "seed": -7.0, "top_k": 4e1, "n": 2.0}`, &chat,
			func() []int { return []int{*chat.MaxCompletionTokens, int(*chat.Seed), *chat.TopK, *chat.N} }, []int{3, -7, 40, 2}},
		{`{"max_tokens": 3.0, "logprobs": 0.0}`, &text, func() []int { return []int{*text.MaxTokens, *text.LogProbs} }, []int{3, 0}},
		{`{"max_output_tokens": 3.0}`, &response, func() []int { return []int{*response.MaxOutputTokens} }, []int{3}},
		{`{"max_tokens": 3.0, "top_k": 1}`, &anthropic, func() []int { return []int{*anthropic.MaxTokens, *anthropic.TopK} }, []int{3, 1}},
		{`{"num_predict": -1.0, "top_k": 40.0}`, &ollama, func() []int { return []int{*ollama.NumPredict, *ollama.TopK} }, []int{-1, 40}},
	} {
		if err := decode([]byte(tt.body), tt.dst, ""); err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		for i, got := range tt.got() {
			if got != tt.want[i] {
				t.Errorf("%s: number %d is %d, want %d", tt.body, i, got, tt.want[i])
			}
		}
	}
	var generate ollamaGenerateRequest
	if err := decode([]byte(`{"context": [7.0, 3]}`), &generate, ""); err != nil || !slices.Equal(generate.Context, []int32{7, 3}) {
		t.Errorf("%v, %v", generate.Context, err)
	}
	if err := decode([]byte(`{"context": [7.5]}`), &generate, ""); err == nil || err.Error() != "context: it must be an array of token ids: 7.5 is none" {
		t.Error(err)
	}
	if err := decode([]byte(`{"prompt": [[7.0], [3, 1e1]]}`), &text, ""); err != nil || len(*text.Prompt) != 2 || !slices.Equal((*text.Prompt)[1].tokens, []int32{3, 10}) {
		t.Errorf("%+v, %v", text.Prompt, err)
	}
	for _, number := range []string{"1.5", "1e300", `"3"`} {
		if err := decode([]byte(`{"max_tokens": `+number+`}`), &chat, ""); err == nil || !strings.Contains(err.Error(), "max_tokens: it must be a whole number") {
			t.Errorf("%s: %v", number, err)
		}
	}
}
