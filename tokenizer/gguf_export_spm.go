package tokenizer

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// spm fills in a vocabulary of scores, by which programs of SentencePiece's kind join neighbours: the token that merges make first has the best one.
// Where the merges are all those that the tokens allow, token after token, as in tokenizers that were made of SentencePiece's, the scores say it all;
// if not, the file has the merges, too, and a note says so.
//
// Added tokens with ▁ in them that are not special, which stand for spaces in a row, are written as the model's own: readers take the text of added
// ones as it is, and would show ▁. A text that has ▁ itself may get other tokens for that.
func (t *Tokenizer) spm(v *GGUFVocabulary, want *spec) (notes []string, err error) {
	v.Model, v.Pre = "llama", "default"
	if v.AddSpacePrefix, notes, err = t.spmPrefix(); err != nil {
		return nil, err
	}
	want.normalizers, want.decoders = spmComponents(v.AddSpacePrefix)
	want.preTokenizers, want.options = nil, modelOptions{ByteFallback: true, FuseUnknown: true}
	scores := mergeScores(t.merges)
	v.Scores = make([]float32, len(v.Tokens))
	for id := range v.Scores { // of tokens that merges do not make
		v.Scores[id] = -float32(len(scores) + id)
	}
	want.model = make([]string, t.size)
	for id, text := range t.model {
		if text == "" {
			continue
		}
		want.model[id] = text
		v.Tokens[id], v.Types[id] = text, GGUFNormal
		if _, ok := fallbackByte(text); ok {
			v.Types[id] = GGUFByte
		}
		if score, ok := scores[int32(id)]; ok {
			v.Scores[id] = score
		}
	}
	t.spmAdded(v, want)
	ids := map[string]int32{}
	for id, text := range want.model {
		if text != "" {
			ids[text] = int32(id)
		}
	}
	if implied := spmMerges(*v, ids); slices.Equal(implied, t.sortedMerges(v.Types)) {
		want.merges = implied
		return notes, nil
	}
	for _, m := range t.merges {
		v.Merges = append(v.Merges, t.modelToken(m.left)+" "+t.modelToken(m.right))
	}
	return append(notes, "the tokenizer's merges are not all that its tokens allow, or not in an order of scores; "+
		"llama.cpp goes by scores and may make other tokens of a text"), nil
}

// spmAdded fills in the added tokens.
func (t *Tokenizer) spmAdded(v *GGUFVocabulary, want *spec) {
	var added []AddedToken
	for _, a := range want.added {
		want.model[a.ID], v.Tokens[a.ID] = a.Content, a.Content
		switch u := t.options.Unknown; {
		case a.Special && u != nil && *u == a.ID:
			v.Types[a.ID], want.options.Unknown = GGUFUnknown, u
		case a.Special:
			v.Types[a.ID] = GGUFControl
		case strings.Contains(a.Content, "▁"):
			v.Types[a.ID] = GGUFNormal
			continue
		default:
			v.Types[a.ID] = GGUFUserDefined
		}
		added = append(added, a)
	}
	want.added = added
}

// spmPrefix tells whether a text begins with a space, and which texts SentencePiece treats otherwise. It fails if the tokenizer is of another kind.
func (t *Tokenizer) spmPrefix() (prefix bool, notes []string, err error) {
	o := t.options
	if !o.ByteFallback || slices.Contains(t.byteIDs[:], -1) {
		return false, nil, errors.New("a tokenizer of characters without a token for each byte")
	}
	if o.IgnoreMerges || o.SubwordPrefix != "" || o.WordSuffix != "" {
		return false, nil, errors.New("a tokenizer of characters that joins them in another way than SentencePiece")
	}
	for _, prefix := range []bool{false, true} {
		normalizers, decoders := spmComponents(prefix)
		if reflect.DeepEqual(t.normalizers, normalizers) && reflect.DeepEqual(t.decoders, decoders) && !slices.ContainsFunc(t.preTokenizers, cuts) {
			return prefix, nil, nil
		}
		if len(t.normalizers) == 0 && len(t.preTokenizers) == 1 && t.preTokenizers[0].Type == typeMetaspace && reflect.DeepEqual(t.decoders, decoders) {
			m, err := t.preTokenizers[0].metaspace()
			if err != nil || m.split || m.text != "▁" || (m.scheme != "never") != prefix {
				continue
			}
			if prefix {
				notes = append(notes, "texts that begin with a space, or go on after an added token, may get other tokens: "+
					"a GGUF file has a space put before all of them")
			}
			return prefix, notes, nil
		}
	}
	return false, nil, errors.New("a tokenizer of characters that splits, normalizes or decodes text in another way than SentencePiece")
}

// cuts reports whether a pre-tokenizer does something to a text without spaces. Gemma's does not: it splits at spaces, which are ▁ by then.
func cuts(c component) bool {
	return c.Type != typeSplit || c.Pattern.String == nil || *c.Pattern.String != " " || c.Invert
}

// mergeScores returns the scores of the tokens that merges make: 0 for the first, and one less for each that follows.
func mergeScores(merges []merge) map[int32]float32 {
	scores := map[int32]float32{}
	for _, m := range merges {
		if _, ok := scores[m.result]; !ok {
			scores[m.result] = -float32(len(scores))
		}
	}
	return scores
}

// sortedMerges returns the merges as spmMerges does: without those that make an added token, since that is cut out before, and those that make the
// same token one after the other, whose order has no effect, by length.
func (t *Tokenizer) sortedMerges(types []int32) []merge {
	merges := slices.DeleteFunc(slices.Clone(t.merges), func(m merge) bool { return types[m.result] == GGUFUserDefined })
	for from := 0; from < len(merges); {
		to := from + 1
		for to < len(merges) && merges[to].result == merges[from].result {
			to++
		}
		slices.SortStableFunc(merges[from:to], func(a, b merge) int {
			return cmp.Compare(len(t.modelToken(b.left)), len(t.modelToken(a.left)))
		})
		from = to
	}
	return merges
}
