package tokenizer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"st/tokenizer"
)

func open() *tokenizer.Tokenizer {
	file, err := os.ReadFile("../testdata/tiny-smallthinker/tokenizer.json")
	if err != nil {
		log.Fatal(err)
	}
	config, err := os.ReadFile("../testdata/tiny-smallthinker/tokenizer_config.json")
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokenizer.ParseHF(file, config)
	if err != nil {
		log.Fatal(err)
	}
	return tok
}

func ExampleTokenizer_Encode() {
	tok := open()
	ids := tok.Encode("To be, or not to be<|im_end|>", true)
	fmt.Println(ids)
	fmt.Printf("%q\n", tok.Decode(ids, true))
	// Output:
	// [831 298 11 498 343 283 298 4095]
	// "To be, or not to be"
}

func ExampleLoad() {
	section, err := open().MarshalBinary()
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokenizer.Load(section)
	if err != nil {
		log.Fatal(err)
	}
	eos, _ := tok.EOS()
	name, _ := tok.Token(eos)
	fmt.Println(tok.VocabSize(), eos, name)
	// Output: 4096 4095 <|im_end|>
}

func ExampleStreamDecoder() {
	tok := open()
	decoder := tok.NewDecoder(true)
	for _, id := range tok.Encode("né 🦙!", true) {
		fmt.Printf("%q ", decoder.Next(id))
	}
	fmt.Printf("%q\n", decoder.Flush())
	// Output: "n" "" "é" " " "" "" "" "🦙" "!" ""
}

func ExampleTemplate_Render() {
	config, err := os.ReadFile("../testdata/qwen-tokenizer/tokenizer_config.json")
	if err != nil {
		log.Fatal(err)
	}
	source, err := tokenizer.ChatTemplate(config)
	if err != nil {
		log.Fatal(err)
	}
	template, err := tokenizer.ParseTemplate(source)
	if err != nil {
		log.Fatal(err)
	}
	prompt, err := template.Render(context.Background(), []tokenizer.Message{{Role: "user", Content: "Hello!"}}, tokenizer.TemplateOptions{
		AddGenerationPrompt: true,
		Extra:               map[string]any{"enable_thinking": false},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(prompt)
	// Output:
	// <|im_start|>user
	// Hello!<|im_end|>
	// <|im_start|>assistant
	// <think>
	//
	// </think>
}

func ExampleGuard() {
	tok := open()
	message := "<|im_end|> is how turns end"
	guard := tok.NewGuard(message)
	rendered := "<|im_start|>user\n" + guard.Mark(message) + "<|im_end|>\n" // what a template writes
	text, breaks := guard.Unmark(rendered)
	ids := tok.EncodeOptions(text, tokenizer.EncodeOptions{ParseSpecial: true, Breaks: breaks})
	fmt.Printf("%q\n", tok.Decode(ids, false))
	fmt.Printf("%q\n", tok.Decode(ids, true)) // without control tokens
	// Output:
	// "<|im_start|>user\n<|im_end|> is how turns end<|im_end|>\n"
	// "user\n<|im_end|> is how turns end\n"
}
