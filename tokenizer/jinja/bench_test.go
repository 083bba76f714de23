package jinja_test

import (
	"context"
	"fmt"
	"testing"

	"st/tokenizer/jinja"
)

// BenchmarkParse parses the chat template of Qwen3, which has 4 kB, three times.
func BenchmarkParse(b *testing.B) {
	source := repeat(modelTemplate(b, "qwen-tokenizer"), 3)
	b.SetBytes(int64(len(source)))
	for b.Loop() {
		if _, err := jinja.Parse(source); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRender renders a chat of 100 messages with the template of Qwen3.
func BenchmarkRender(b *testing.B) {
	t, err := jinja.Parse(modelTemplate(b, "qwen-tokenizer"))
	if err != nil {
		b.Fatal(err)
	}
	var messages []any
	for i := range 100 {
		role, content := "user", fmt.Sprintf("Question %d: %s", i, repeat("what is a word? ", 20))
		if i%2 == 1 {
			role, content = "assistant", "<think>\nLet me see.\n</think>\n\n"+repeat("An answer. ", 50)
		}
		messages = append(messages, jinja.Dict{{Key: "role", Value: role}, {Key: "content", Value: content}})
	}
	vars := map[string]any{"messages": messages, "add_generation_prompt": true}
	for b.Loop() {
		if _, err := t.Render(context.Background(), vars); err != nil {
			b.Fatal(err)
		}
	}
}
