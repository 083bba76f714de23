package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// parseSPM is ParseGGUF for the model "llama": what SentencePiece makes of text with a vocabulary of scores. It joins neighbours whose
// joint token has the best score, as BPE joins those of the lowest rank: so all ways to split a token into two are merges, ranked by its score.
// A file may list the merges instead: programs that know scores only leave them out.
func parseSPM(v GGUFVocabulary) (*Tokenizer, error) {
	switch {
	case len(v.Types) != len(v.Tokens) || len(v.Scores) != len(v.Tokens):
		return nil, fmt.Errorf("scores, token_type: there are %d scores and %d types, but %d tokens", len(v.Scores), len(v.Types), len(v.Tokens))
	case len(v.Tokens) > maxTokens:
		return nil, fmt.Errorf("tokens: there are %d, more than the %d supported", len(v.Tokens), maxTokens)
	}
	s := spec{options: modelOptions{ByteFallback: true, FuseUnknown: true}}
	s.normalizers, s.decoders = spmComponents(v.AddSpacePrefix)
	v.special(&s)
	ids := make(map[string]int32, len(v.Tokens))
	for i, token := range v.Tokens {
		id := int32(i)
		if token == "" || v.Types[i] == GGUFUnused {
			continue
		}
		if other, ok := ids[token]; ok {
			return nil, fmt.Errorf("tokens: %q is token %d and token %d", token, other, id)
		}
		ids[token] = id
		for len(s.model) < i {
			s.model = append(s.model, "")
		}
		s.model = append(s.model, token)
		switch v.Types[i] {
		case GGUFUnknown:
			s.options.Unknown = &id
			fallthrough
		case GGUFControl, GGUFUserDefined:
			s.added = append(s.added, v.added(id, v.Types[i] != GGUFUserDefined))
		}
	}
	s.merges = spmMerges(v, ids)
	if len(v.Merges) > 0 {
		var err error
		if s.merges, err = ggufMerges(v.Merges, ids); err != nil {
			return nil, err
		}
	}
	return newTokenizer(s)
}

// spmComponents are the normalizers and the decoders: spaces are written ▁, and with prefix a text begins with one.
func spmComponents(prefix bool) (normalizers, decoders []component) {
	space, mark := " ", "▁"
	normalizers = []component{{Type: typeReplace, Pattern: &pattern{String: &space}, Content: mark}}
	decoders = []component{{Type: typeReplace, Pattern: &pattern{String: &mark}, Content: space}, {Type: "ByteFallback"}, {Type: typeFuse}}
	if prefix {
		normalizers = append([]component{{Type: "Prepend", Prepend: mark}}, normalizers...)
		decoders = append(decoders, component{Type: typeStrip, Content: space, Start: 1})
	}
	return normalizers, decoders
}

// maxSPMToken is the longest token in bytes that is made of others: published ones have up to a hundred.
const maxSPMToken = 256

// spmMerges returns the merges by rank, as scores tell it; of one token those with the longer left part first.
func spmMerges(v GGUFVocabulary, ids map[string]int32) []merge {
	var all []merge
	for id, token := range v.Tokens {
		if t := v.Types[id]; t == GGUFUnused || t == GGUFControl || t == GGUFByte || t == GGUFUnknown || t == GGUFUserDefined {
			continue
		}
		for i := 1; i < len(token) && len(token) <= maxSPMToken; i++ {
			if !utf8.RuneStart(token[i]) {
				continue
			}
			left, ok1 := ids[token[:i]]
			right, ok2 := ids[token[i:]]
			if ok1 && ok2 {
				all = append(all, merge{left, right, int32(id)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b merge) int {
		return cmp.Or(cmp.Compare(v.Scores[b.result], v.Scores[a.result]), cmp.Compare(len(v.Tokens[b.left]), len(v.Tokens[a.left])))
	})
	return all
}
