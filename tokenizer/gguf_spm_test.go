package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// spmVocabulary is what a GGUF file would hold of a tokenizer of the kind of Gemma or Llama 2.
func spmVocabulary(tok *Tokenizer) GGUFVocabulary {
	v := GGUFVocabulary{Model: "llama", BOS: tok.bos, EOS: tok.eos, Pad: tok.pad, AddBOS: tok.AddBOS()}
	score := map[int32]float32{}
	for rank, m := range tok.merges {
		if _, ok := score[m.result]; !ok {
			score[m.result] = -float32(rank)
		}
	}
	size := tok.size
	v.Tokens, v.Types, v.Scores = make([]string, size), make([]int32, size), make([]float32, size)
	for id := range size {
		text := tok.modelToken(int32(id))
		v.Tokens[id], v.Types[id], v.Scores[id] = text, 1, score[int32(id)]
		switch {
		case text == "":
			v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), GGUFUnused
		case strings.HasPrefix(text, "<0x") && len(text) == 6:
			v.Types[id] = GGUFByte
		}
	}
	for _, a := range tok.added {
		v.Tokens[a.ID], v.Types[a.ID] = a.Content, GGUFUserDefined
		if a.Special {
			v.Types[a.ID] = GGUFControl
		}
		if a.Content == "<unk>" {
			v.Types[a.ID] = GGUFUnknown
		}
	}
	return v
}

// A vocabulary of scores encodes and decodes as the tokenizer.json that it was taken from.
func TestParseGGUFSentencePiece(t *testing.T) {
	tok := family(t, "gemma")
	got, err := ParseGGUF(spmVocabulary(tok))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range familyVectors(t, "gemma") {
		if ids := got.Encode(v.Text, true); !slices.Equal(ids, v.IDs) {
			t.Errorf("Encode(%.60q) is %v, want %v", v.Text, ids, v.IDs)
		}
		if ids := got.EncodeOptions(v.Text, EncodeOptions{ParseSpecial: true, AddSpecial: true}); !slices.Equal(ids, v.Special) {
			t.Errorf("with special tokens, %.60q: %v, want %v", v.Text, ids, v.Special)
		}
		if text := got.Decode(v.IDs, false); text != v.Decoded {
			t.Errorf("Decode of %.60q is %.60q, want %.60q", v.Text, text, v.Decoded)
		}
	}
	v := spmVocabulary(tok)
	v.Scores = v.Scores[1:]
	if _, err := ParseGGUF(v); err == nil || !strings.Contains(err.Error(), "scores") {
		t.Errorf("with a score less, the error is %v", err)
	}
}
