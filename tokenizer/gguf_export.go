package tokenizer

import (
	"bytes"
	"fmt"
)

// GGUF is the inverse of [ParseGGUF]: the vocabulary that a GGUF file keeps of the tokenizer, with an unused token for every id below size, the rows
// of the model's embedding, that the tokenizer does not have. It fails, with [ErrUnsupported], if such a file cannot tell all that the tokenizer does.
func (t *Tokenizer) GGUF(size int) (GGUFVocabulary, error) {
	const name = "qwen2"
	pre := ggufPres[name]
	v := GGUFVocabulary{Model: "gpt2", Pre: name, BOS: t.bos, EOS: t.eos, Pad: t.pad, AddBOS: t.AddBOS()}
	if size = max(size, len(t.tokens)); size > maxTokens {
		return v, fmt.Errorf("%d tokens, more than the %d supported", size, maxTokens)
	}
	v.Tokens, v.Types = make([]string, size), make([]int32, size)
	for id := range v.Tokens {
		v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), ggufUnused
		if text := t.modelToken(int32(id)); text != "" {
			v.Tokens[id], v.Types[id] = encodeByteLevel(text), 1
		}
	}
	for _, a := range t.added {
		v.Tokens[a.ID], v.Types[a.ID] = a.Content, ggufUserDefined
		if a.Special || pre.plain[a.Content] {
			v.Types[a.ID] = ggufControl
		}
	}
	for _, m := range t.merges {
		v.Merges = append(v.Merges, encodeByteLevel(t.modelToken(m.left))+" "+encodeByteLevel(t.modelToken(m.right)))
	}
	back, err := ParseGGUF(v)
	if err != nil {
		return v, fmt.Errorf("%w in a GGUF file: %w", ErrUnsupported, err)
	}
	own, _ := t.MarshalBinary()
	theirs, _ := back.MarshalBinary()
	if !bytes.Equal(own, theirs) {
		return v, fmt.Errorf("%w in a GGUF file: a tokenizer that is not like that of Qwen2", ErrUnsupported)
	}
	return v, nil
}
