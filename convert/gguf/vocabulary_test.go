package gguf

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"st/tokenizer"
)

// vocabularyOf is a tokenizer of the 256 bytes and three more.
func vocabularyOf() Metadata {
	var tokens []string
	moved := rune(0x100) // bytes that are not printable are written as other characters
	for b := range rune(256) {
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			tokens = append(tokens, string(moved))
			moved++
			continue
		}
		tokens = append(tokens, string(b))
	}
	tokens = append(tokens, "<|endoftext|>", "<|im_end|>", "hi")
	types := slices.Repeat([]int32{1}, len(tokens))
	types[256], types[257] = 3, 3
	return Metadata{
		{"tokenizer.ggml.model", "gpt2"}, {"tokenizer.ggml.pre", "qwen2"}, {"tokenizer.ggml.tokens", tokens}, {"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.merges", []string{"h i"}}, {"tokenizer.ggml.eos_token_id", uint32(257)}, {"tokenizer.ggml.padding_token_id", uint32(256)},
		{"tokenizer.ggml.add_bos_token", false}, {"tokenizer.chat_template", "{{ messages }}"},
	}
}

// A vocabulary that was written and read makes a tokenizer.
func TestVocabulary(t *testing.T) {
	f, err := parse(written(t, vocabularyOf(), nil))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if v.Tokens.BOS != -1 || v.Tokens.EOS != 257 || v.Tokens.Pad != 256 || v.Tokens.AddBOS || v.ChatTemplate != "{{ messages }}" {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(v.EOS, []int32{256, 257}) {
		t.Errorf("EOS is %v", v.EOS)
	}
	tok, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("hi!<|im_end|>", true); !slices.Equal(ids, []int32{258, '!', 257}) {
		t.Errorf("%v", ids)
	}
}

func TestVocabularyRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change Entry
		want   string
	}{
		"none":           {Entry{"tokenizer.ggml.model", nil}, "tokenizer.ggml.model is missing: the file has no tokenizer"},
		"no tokens":      {Entry{"tokenizer.ggml.tokens", nil}, "tokenizer.ggml.tokens is missing: the file has no tokenizer"},
		"tokens of ints": {Entry{"tokenizer.ggml.tokens", []int32{1}}, "it must be an array of texts"},
		"no types":       {Entry{"tokenizer.ggml.token_type", nil}, "tokenizer.ggml.token_type is missing"},
		"a huge type":    {Entry{"tokenizer.ggml.token_type", []int64{1 << 40}}, "type 1099511627776 of token 0"},
		"an id outside":  {Entry{"tokenizer.ggml.eos_token_id", uint32(259)}, "tokenizer.ggml.eos_token_id is 259, but there are 259 tokens"},
		"an id of text":  {Entry{"tokenizer.ggml.eos_token_id", "2"}, "it must be the id of a token"},
		"add_bos":        {Entry{"tokenizer.ggml.add_bos_token", uint8(1)}, "it must be true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := headerOf(with(vocabularyOf(), tt.change), "m.gguf").Vocabulary()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if errors.Is(err, ErrNoVocabulary) != strings.Contains(tt.want, "no tokenizer") {
				t.Errorf("ErrNoVocabulary in %v", err)
			}
		})
	}
}

func TestGeneral(t *testing.T) {
	m := Metadata{{"general.name", ""}, {"general.basename", "SmallThinker"}, {"general.author", "Tiiny"}, {"general.license", "apache-2.0"},
		{"general.repo_url", "https://example.com"}, {"general.quantized_by", "somebody"}}
	want := General{"SmallThinker", "Tiiny", "apache-2.0", "https://example.com", "somebody"}
	if got := headerOf(m, "m.gguf").General(); got != want {
		t.Errorf("%+v", got)
	}
}
