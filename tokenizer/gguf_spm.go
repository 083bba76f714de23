package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// parseSPM is ParseGGUF for the model "llama": what SentencePiece makes of text with a vocabulary of scores. It joins neighbours whose
// joint token has the best score, as BPE joins those of the lowest rank: so all ways to split a token into two are merges, ranked by its score.
func parseSPM(v GGUFVocabulary) (*Tokenizer, error) {
	switch {
	case len(v.Types) != len(v.Tokens) || len(v.Scores) != len(v.Tokens):
		return nil, fmt.Errorf("scores, token_type: there are %d scores and %d types, but %d tokens", len(v.Scores), len(v.Types), len(v.Tokens))
	case len(v.Tokens) > maxTokens:
		return nil, fmt.Errorf("tokens: there are %d, more than the %d supported", len(v.Tokens), maxTokens)
	}
	vocab := make(map[string]int, len(v.Tokens))
	var added []map[string]any
	unknown := any(nil)
	for id, token := range v.Tokens {
		switch v.Types[id] {
		case ggufUnused:
			continue
		case ggufUnknown:
			unknown = token
			fallthrough
		case ggufControl, ggufUserDefined:
			added = append(added, map[string]any{"id": id, "content": token, "special": v.Types[id] != ggufUserDefined, "normalized": false})
		}
		if other, ok := vocab[token]; ok {
			return nil, fmt.Errorf("tokens: %q is token %d and token %d", token, other, id)
		}
		vocab[token] = id
	}
	replace := func(from, to string) map[string]any {
		return map[string]any{"type": "Replace", "pattern": map[string]any{"String": from}, "content": to}
	}
	sequence := func(key string, all ...any) map[string]any { return map[string]any{"type": "Sequence", key: all} }
	normalizer, decoder := replace(" ", "▁"), []any{replace("▁", " "), map[string]any{"type": "ByteFallback"}, map[string]any{"type": "Fuse"}}
	if v.AddSpacePrefix {
		normalizer = sequence("normalizers", map[string]any{"type": "Prepend", "prepend": "▁"}, normalizer)
		decoder = append(decoder, map[string]any{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	text, err := json.Marshal(map[string]any{
		"normalizer": normalizer, "pre_tokenizer": nil, "post_processor": nil, "decoder": sequence("decoders", decoder...), "added_tokens": added,
		"model": map[string]any{
			"type": "BPE", "unk_token": unknown, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "vocab": vocab,
			"merges": spmMerges(v, vocab),
		},
	})
	if err != nil {
		return nil, err
	}
	t, err := ParseHF(text, nil)
	if err != nil {
		return nil, err
	}
	used := func(id int32) int32 {
		if id >= 0 && int(id) < len(v.Types) && v.Types[id] == ggufUnused {
			return -1
		}
		return id
	}
	t.bos, t.eos, t.pad = used(v.BOS), used(v.EOS), used(v.Pad)
	if v.AddBOS && t.bos >= 0 {
		t.before = []int32{t.bos}
	}
	return t, nil
}

// maxSPMToken is the longest token in bytes that is made of others: published ones have up to a hundred.
const maxSPMToken = 256

// spmMerges returns the merges by rank.
func spmMerges(v GGUFVocabulary, vocab map[string]int) [][2]string {
	type merge struct {
		parts [2]string
		score float32
	}
	var all []merge
	for id, token := range v.Tokens {
		if t := v.Types[id]; t == ggufUnused || t == ggufControl || t == ggufByte || t == ggufUnknown || t == ggufUserDefined {
			continue
		}
		for i := 1; i < len(token) && len(token) <= maxSPMToken; i++ {
			if !utf8.RuneStart(token[i]) {
				continue
			}
			_, left := vocab[token[:i]]
			_, right := vocab[token[i:]]
			if left && right {
				all = append(all, merge{[2]string{token[:i], token[i:]}, v.Scores[id]})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b merge) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(len(b.parts[0]), len(a.parts[0])))
	})
	pairs := make([][2]string, len(all))
	for i := range all {
		pairs[i] = all[i].parts
	}
	return pairs
}
