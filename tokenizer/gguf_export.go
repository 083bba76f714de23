package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// GGUF is the inverse of [ParseGGUF]: the vocabulary that a GGUF file keeps of the tokenizer, with an unused token for every id below size, the rows
// of the model's embedding, that the tokenizer does not have. Notes say which texts may get other tokens when the file is used. It fails, with
// [ErrUnsupported], if such a file cannot tell what the tokenizer does.
func (t *Tokenizer) GGUF(size int) (v GGUFVocabulary, notes []string, err error) {
	if size = max(size, t.size); size > maxTokens {
		return v, nil, fmt.Errorf("%d tokens, more than the %d supported", size, maxTokens)
	}
	v = GGUFVocabulary{BOS: t.bos, EOS: t.eos, Pad: t.pad, AddBOS: t.AddBOS(), Tokens: make([]string, size), Types: make([]int32, size)}
	for id := range size {
		v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), GGUFUnused
	}
	want := t.spec // what the file tells of the tokenizer
	want.added, notes = t.addedInGGUF()
	var more []string
	switch {
	case len(t.after) > 0 || len(t.before) > 1 || len(t.before) > 0 && !t.AddBOS():
		err = errors.New("a tokenizer that puts other tokens around a text than BOS")
	case t.options.Bytes:
		err = t.gpt2(&v, &want)
	default:
		more, err = t.spm(&v, &want)
	}
	for len(want.model) > 0 && want.model[len(want.model)-1] == "" {
		want.model = want.model[:len(want.model)-1]
	}
	if err == nil {
		err = want.holds(v)
	}
	if err != nil {
		return v, nil, fmt.Errorf("%w in a GGUF file: %w", ErrUnsupported, err)
	}
	return v, append(notes, more...), nil
}

// holds reports whether a vocabulary is read as the tokenizer.
func (s spec) holds(v GGUFVocabulary) error {
	want, err := newTokenizer(s)
	if err != nil {
		return err
	}
	back, err := ParseGGUF(v)
	if err != nil {
		return err
	}
	own, _ := want.MarshalBinary()
	theirs, _ := back.MarshalBinary()
	if !bytes.Equal(own, theirs) {
		return fmt.Errorf("a tokenizer with tokens or merges that are not those of model %q", v.Model)
	}
	return nil
}

// addedInGGUF returns the added tokens without what a file does not tell of them.
func (t *Tokenizer) addedInGGUF() (added []AddedToken, notes []string) {
	n, example := 0, ""
	for _, a := range t.added {
		if a.LStrip || a.RStrip || a.SingleWord || a.Normalized && len(t.normalizers) > 0 {
			n++
			if example == "" {
				example = a.Content
			}
		}
		added = append(added, AddedToken{ID: a.ID, Content: a.Content, Special: a.Special})
	}
	if n > 0 {
		notes = append(notes, fmt.Sprintf("%d added tokens, such as %s, take white space beside them along, or are found in whole words or normalized text only: "+
			"a GGUF file does not tell that, so texts with them may get other tokens", n, example))
	}
	return added, notes
}

// gpt2 fills in a vocabulary of bytes. The model's own tokens that are added ones, too, are those alone.
func (t *Tokenizer) gpt2(v *GGUFVocabulary, want *spec) error {
	v.Model = "gpt2"
	var pre *ggufPre
	for i := range ggufPres {
		s := ggufPres[i].spec()
		if s.options == t.options && reflect.DeepEqual(s.normalizers, t.normalizers) &&
			reflect.DeepEqual(canonical(s.preTokenizers), canonical(t.preTokenizers)) {
			pre = &ggufPres[i]
			break
		}
	}
	if pre == nil {
		return fmt.Errorf("a tokenizer that splits or normalizes text in another way than those called %s there", knownPres())
	}
	v.Pre = pre.names[0]
	want.preTokenizers = pre.spec().preTokenizers
	want.model = slices.Clone(t.model)
	for id, text := range t.model {
		if text != "" {
			v.Tokens[id], v.Types[id] = encodeByteLevel(text), GGUFNormal
		}
	}
	for _, a := range want.added {
		v.Tokens[a.ID], v.Types[a.ID] = a.Content, GGUFUserDefined
		if a.Special || pre.plain[a.Content] {
			v.Types[a.ID] = GGUFControl
		}
		if int(a.ID) < len(want.model) {
			want.model[a.ID] = ""
		}
	}
	for _, m := range t.merges {
		v.Merges = append(v.Merges, encodeByteLevel(t.modelToken(m.left))+" "+encodeByteLevel(t.modelToken(m.right)))
	}
	return nil
}

// canonical returns pre-tokenizers with what is written in several ways in one.
func canonical(components []component) []component {
	all := slices.Clone(components)
	for i := range all {
		c := &all[i]
		switch c.Type {
		case typeByteLevel:
			prefix, useRegex := isTrue(c.AddPrefixSpace, false), isTrue(c.UseRegex, true)
			c.AddPrefixSpace, c.UseRegex = &prefix, &useRegex
		case typeSplit: // of a pattern that matches every character
			if c.Behavior == "Removed" && c.Invert {
				c.Behavior, c.Invert = "Isolated", false
			}
		}
	}
	return all
}
