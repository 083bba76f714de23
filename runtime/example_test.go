package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"st/runtime"
)

func Example() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, modelPath, runtime.Options{Memory: 2 << 30})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	greedy := runtime.Generate{MaxTokens: 8, Temperature: new(0.0)}
	for piece, err := range m.Generate(ctx, "The LORD", greedy) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
	}
	// Output: of the LORD shall be the LORD,
}

func ExampleGenerateInto() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, modelPath, runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	type person struct {
		Age    uint8  `json:"age"`
		Estate string `json:"estate" jsonschema:"enum=nobleman|commoner"`
	}
	p, err := runtime.GenerateInto[person](ctx, m, "Who comes here?", runtime.Generate{MaxTokens: 100})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Estate == "nobleman" || p.Estate == "commoner")
	// Output: true
}

func ExampleModel_NewChat() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, modelPath, runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	chat := m.NewChat(runtime.System("Be terse."))
	defer chat.Close()
	for _, question := range []string{"Why is the sky blue?", "And the sea?"} {
		for piece, err := range chat.Send(ctx, question, runtime.Generate{MaxTokens: 20}) {
			if err != nil {
				log.Fatal(err)
			}
			if done := piece.Done; done != nil {
				fmt.Println(done.CachedTokens > 0, len(done.Tokens) > 0)
			}
		}
	}
	fmt.Println(len(chat.Messages()), "messages")
	// Output:
	// false true
	// true true
	// 5 messages
}

func ExampleTools() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, modelPath, runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	clock := runtime.Tool{Name: "clock", Description: "Tells the time.",
		Parameters: json.RawMessage(`{"type": "object", "properties": {"zone": {"enum": ["UTC"]}}, "required": ["zone"], "additionalProperties": false}`)}
	chat := m.NewChat(runtime.Tools(clock), runtime.ChooseTools(runtime.ToolChoice{Mode: runtime.ToolRequired, Single: true}))
	defer chat.Close()
	messages := []runtime.Message{{Role: "user", Content: "What time is it?"}}
	for range 2 {
		var calls []runtime.ToolCall
		for piece, err := range chat.SendMessages(ctx, messages, runtime.Generate{MaxTokens: 100}) {
			if err != nil {
				log.Fatal(err)
			}
			if done := piece.Done; done != nil {
				calls = done.Message.ToolCalls
			}
		}
		messages = nil
		for _, call := range calls {
			fmt.Println(call.Name, call.Arguments)
			messages = append(messages, runtime.ToolResult(call, "noon"))
		}
	}
	// Output:
	// clock {"zone": "UTC"}
	// clock {"zone": "UTC"}
}

func ExampleModel_Logits() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, modelPath, runtime.Options{KVType: runtime.KVF32})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	tokens, err := m.Encode("The LORD of")
	if err != nil {
		log.Fatal(err)
	}
	err = m.Logits(ctx, tokens, func(i int, logits []float32) error {
		best := 0
		for id := range logits {
			if logits[id] > logits[best] {
				best = id
			}
		}
		word, _ := m.Tokenizer().Token(int32(best))
		fmt.Printf("after token %d comes %q\n", i, word)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// after token 0 comes " first"
	// after token 1 comes " of"
	// after token 2 comes " the"
}
