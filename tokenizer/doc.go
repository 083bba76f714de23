// Package tokenizer turns text into the token ids of a language model and
// back, exactly as the Hugging Face tokenizers library does for BPE models:
// byte-level ones (Qwen, Llama 3, GPT-4o, DeepSeek, Phi-4) and those with
// characters and byte fallback (Llama 2, Gemma). It writes conversations with
// the chat template of a model.
//
// Converting a model reads its tokenizer once and keeps it as a compact binary
// section (SECTION.md specifies it), which loads in milliseconds:
//
//	tok, err := tokenizer.ParseFiles(tokenizer.Files{Tokenizer: tokenizerJSON, TokenizerConfig: configJSON})
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
//	prompt, err := template.Render(ctx, []tokenizer.Message{{Role: "user", Content: "Hello"}},
//		tokenizer.TemplateOptions{AddGenerationPrompt: true})
//
// What messages hold is text, even if it reads <|im_end|>. A Guard keeps it so
// through the template. Generation ends at any of Tokenizer.EndTokens.
//
// # How text becomes tokens
//
// Encode finds added tokens (added.go), normalizes what is between them
// (normalizers.go), splits it into pieces (pretokenizers.go) and joins the
// bytes (bpe.go) or characters (characters.go) of each piece by merges, lowest
// rank first. Decode passes tokens through the stages of a decoder
// (decoders.go). The parts of tokenizer.json are components (component.go);
// one that is not known is refused by name. Where the pre-tokenizers are those
// of GPT-2, Qwen2 or Llama 3 they are written by hand (split.go), which is
// several times faster than an expression of package regex.
//
// hf.go reads tokenizer.json, and files.go vocab.json with merges.txt, in which
// unmade.go finds what is missing; package hffile reads their JSON. gguf.go and
// gguf_spm.go read the vocabularies of GGUF files, and gguf_export.go and
// gguf_export_spm.go write those. section.go is the compact form. config.go and
// chat_template.go read tokenizer_config.json and its older kin, ends.go knows
// which tokens end a turn, template.go renders a conversation with package
// jinja, and guard.go is the Guard.
//
// Every step follows the library to the character, down to the Unicode
// versions it uses (unicode.go), because a model that is fed other tokens than
// it was trained on gets worse without telling.
//
// # Concurrency
//
// A Tokenizer and a Template may be used by any number of goroutines at a
// time. A StreamDecoder belongs to one stream.
package tokenizer
