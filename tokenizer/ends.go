package tokenizer

import (
	"slices"
	"strings"
)

// endTokens are tokens that end a turn, by the templates of model families.
var endTokens = []string{
	"<|im_end|>",            // ChatML: Qwen, SmallThinker, Phi-4
	"<|eot_id|>",            // Llama 3
	"<|eom_id|>",            // Llama 3.1, before the result of a tool
	"<end_of_turn>",         // Gemma
	"<|end|>",               // Phi-3
	"<|return|>",            // gpt-oss
	"<|call|>",              // gpt-oss
	"<|eot|>",               // Llama 4
	"<|end_of_turn|>",       // OpenChat and others
	"<|END_OF_TURN_TOKEN|>", // Command R
	"</s>",
	"<｜end▁of▁sentence｜>", // DeepSeek
}

// textEnds end a text wherever they come, also where no template names them.
var textEnds = []string{"<|endoftext|>", "<|end_of_text|>"}

// EndTokens returns the tokens at which generation ends, each once: first
// those declared, in their order (generation_config.json, then config.json),
// then the tokenizer's EOS, then the tokens that end turns: those that chat
// templates use for it, where they are special tokens of this vocabulary and
// this chat template writes them, and the ends of text.
//
// Declarations are often incomplete: config.json with <|endoftext|> alone, for a
// model whose turns end in <|im_end|>.
func (t *Tokenizer) EndTokens(template string, declared ...[]int32) []int32 {
	var ends []int32
	add := func(id int32) {
		if id >= 0 && !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	for _, ids := range declared {
		for _, id := range ids {
			add(id)
		}
	}
	add(t.eos)
	special := func(content string) (int32, bool) {
		id, ok := t.contents[content]
		return id, ok && t.special[id]
	}
	_, channels := special("<|channel|>")
	_, returns := special("<|return|>")
	for _, content := range endTokens {
		if content == "<|end|>" && channels && returns {
			continue // in gpt-oss it ends a message, after which the turn goes on
		}
		if id, ok := special(content); ok && strings.Contains(template, content) {
			add(id)
		}
	}
	for _, content := range textEnds {
		if id, ok := special(content); ok {
			add(id)
		}
	}
	return ends
}
