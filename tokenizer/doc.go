// Package tokenizer turns text into the token ids of a language model and
// back, exactly as the Hugging Face tokenizers library does for the byte-level
// BPE tokenizers of Qwen2, Qwen3, Llama 3 and GPT-2, and writes conversations
// with the chat template of a model.
//
// Converting a model reads its tokenizer once and keeps it as a compact binary
// section (SECTION.md specifies it), which loads in milliseconds:
//
//	tok, err := tokenizer.ParseHF(tokenizerJSON, tokenizerConfigJSON)
//	section, err := tok.MarshalBinary()
//	...
//	tok, err := tokenizer.Load(section)
//
// Running it encodes a prompt and decodes what the model answers, token by
// token, never cutting a character in two:
//
//	ids := tok.Encode(prompt, true)
//	decoder := tok.NewDecoder(true)
//	for id := range generate(ids) {
//		fmt.Print(decoder.Next(id))
//	}
//	fmt.Print(decoder.Flush())
//
// For a chat, the template of the model makes the prompt:
//
//	source, err := tokenizer.ChatTemplate(tokenizerConfigJSON)
//	template, err := tokenizer.ParseTemplate(source)
//	prompt, err := template.Render([]tokenizer.Message{{Role: "user", Content: "Hello"}},
//		tokenizer.TemplateOptions{AddGenerationPrompt: true})
//
// # How text becomes tokens
//
// Encode finds added tokens (added.go), normalizes what is between them
// (normalize.go), splits it into pieces (split.go) and joins the bytes of each
// piece by merges, lowest rank first (bpe.go). Every step follows the library
// to the character, down to the Unicode versions it uses (unicode.go), because
// a model that is fed other tokens than it was trained on gets worse without
// telling.
//
// # Concurrency
//
// A Tokenizer and a Template may be used by any number of goroutines at a
// time. A StreamDecoder belongs to one stream.
package tokenizer
