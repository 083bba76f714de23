package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ggufVocabulary turns a tokenizer.json into what a GGUF file keeps of it, by the rules of llama.cpp's converter: tokens by id, [PADn] for ids up
// to size that have none, and every added token that looks like <|…|> a control token.
func ggufVocabulary(tb testing.TB, tokenizerJSON []byte, size int) GGUFVocabulary {
	tb.Helper()
	var file hfTokenizer
	if err := json.Unmarshal(tokenizerJSON, &file); err != nil {
		tb.Fatal(err)
	}
	v := GGUFVocabulary{Model: "gpt2", Pre: "qwen2", Tokens: make([]string, size), Types: make([]int32, size), BOS: -1, EOS: -1, Pad: -1}
	for id := range size {
		v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), 5
	}
	for token, id := range file.Model.Vocab {
		v.Tokens[id], v.Types[id] = token, 1
	}
	for _, a := range file.Added {
		v.Tokens[a.ID], v.Types[a.ID] = a.Content, 4
		if a.Special || strings.HasPrefix(a.Content, "<|") && strings.HasSuffix(a.Content, "|>") {
			v.Types[a.ID] = 3
		}
	}
	for _, m := range *file.Model.Merges {
		v.Merges = append(v.Merges, m[0]+" "+m[1])
	}
	return v
}

// What a GGUF file keeps of a tokenizer.json makes the tokenizer that the tokenizer.json makes, to the byte.
func TestParseGGUF(t *testing.T) {
	for _, model := range []struct {
		name string
		rows int
	}{{"qwen-tokenizer", 151936}, {"tiny-smallthinker", 4096}} {
		t.Run(model.name, func(t *testing.T) {
			want := parseModel(t, model.name)
			v := ggufVocabulary(t, readFile(t, model.name+"/tokenizer.json"), model.rows)
			v.BOS, v.EOS, v.Pad, v.AddBOS = want.bos, want.eos, want.pad, len(want.before) > 0
			got, err := ParseGGUF(v)
			if err != nil {
				t.Fatal(err)
			}
			gotSection, _ := got.MarshalBinary()
			wantSection, _ := want.MarshalBinary()
			if !bytes.Equal(gotSection, wantSection) {
				t.Errorf("the sections, of %d and %d bytes, differ", len(gotSection), len(wantSection))
			}
		})
	}
}

// smallGGUF is a vocabulary of the 256 bytes, two merges and three added tokens.
func smallGGUF() GGUFVocabulary {
	v := GGUFVocabulary{Model: "gpt2", Pre: "qwen2", BOS: -1, EOS: 260, Pad: 258}
	for b := range 256 {
		v.Tokens, v.Types = append(v.Tokens, string(byteToRune[b])), append(v.Types, 1)
	}
	v.Tokens = append(v.Tokens, "he", "hey", "<|endoftext|>", "<think>", "<|im_end|>", "[PAD261]", "<|fim_pad|>")
	v.Types = append(v.Types, 1, 1, 3, 4, 3, 5, 3)
	v.Merges = []string{"h e", "he y", "Ā ā"} // the last makes no token
	return v
}

func TestParseGGUFTokens(t *testing.T) {
	tok, err := ParseGGUF(smallGGUF())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{
		"hey<|im_end|>":     {257, 260},
		"he<think>\x00\x01": {256, 259, 0, 1},
		"[PAD261]":          {'[', 'P', 'A', 'D', '2', '6', '1', ']'},
	} {
		if got := tok.Encode(text, true); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	for id, want := range map[int32]bool{258: true, 259: false, 260: true, 262: false} {
		if tok.IsSpecial(id) != want {
			t.Errorf("token %d is special: %v, want %v", id, !want, want)
		}
	}
	if _, ok := tok.Token(261); ok || tok.VocabSize() != 263 {
		t.Errorf("an unused token is there, and the vocabulary has %d ids", tok.VocabSize())
	}
	if eos, _ := tok.EOS(); eos != 260 {
		t.Errorf("EOS is %d", eos)
	}
	v := smallGGUF()
	v.BOS = 261 // unused
	if tok, err = ParseGGUF(v); err != nil {
		t.Fatal(err)
	}
	if bos, ok := tok.BOS(); ok {
		t.Errorf("BOS is %d, an unused token", bos)
	}
	v = smallGGUF()
	v.Tokens[257] = "" // a hole in the vocabulary
	if tok, err = ParseGGUF(v); err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("hey", true); !slices.Equal(ids, []int32{256, 'y'}) {
		t.Errorf("%v", ids)
	}
}

// TestParseGGUFRefuses: what is not supported is an error that names the field.
func TestParseGGUFRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*GGUFVocabulary)
		want   string
	}{
		"model":           {func(v *GGUFVocabulary) { v.Model = "t5" }, `model: "t5" is not supported`},
		"no model":        {func(v *GGUFVocabulary) { v.Model = "" }, `model: "" is not supported`},
		"pre":             {func(v *GGUFVocabulary) { v.Pre = "tekken" }, `pre: "tekken" is not supported, only qwen2, `},
		"types":           {func(v *GGUFVocabulary) { v.Types = v.Types[1:] }, "token_type: there are 262 types, but 263 tokens"},
		"a byte token":    {func(v *GGUFVocabulary) { v.Types[3] = 6 }, "is a byte token"},
		"not byte-level":  {func(v *GGUFVocabulary) { v.Tokens[256] = "▁he" }, `tokens: "▁he" (id 256) is not byte-level`},
		"a token twice":   {func(v *GGUFVocabulary) { v.Tokens[257] = "he" }, "tokens 256 and 257 are the same"},
		"a missing byte":  {func(v *GGUFVocabulary) { v.Types['A'] = 5 }, "byte 0x41"},
		"a strange merge": {func(v *GGUFVocabulary) { v.Merges[1] = "he▁y" }, `merges: merge 1, "he▁y"`},
		"merge of three":  {func(v *GGUFVocabulary) { v.Merges[1] = "h e y" }, `merges: merge 1, "h e y"`},
		"an unknown part": {func(v *GGUFVocabulary) { v.Merges[0] = "zz e" }, `merges: merge 0, "zz e"`},
		"an EOS outside":  {func(v *GGUFVocabulary) { v.EOS = 9999 }, "eos token id 9999"},
	} {
		t.Run(name, func(t *testing.T) {
			v := smallGGUF()
			test.change(&v)
			if _, err := ParseGGUF(v); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
