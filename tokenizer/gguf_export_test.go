package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What a GGUF file keeps of a tokenizer makes it again, to the byte.
func TestGGUF(t *testing.T) {
	for _, model := range []struct {
		name string
		rows int
	}{{"qwen-tokenizer", 151936}, {"tiny-smallthinker", 4096}} {
		want := parseModel(t, model.name)
		v, notes, err := want.GGUF(model.rows)
		if err != nil || len(notes) > 0 {
			t.Fatal(notes, err)
		}
		if len(v.Tokens) != model.rows || len(v.Types) != model.rows {
			t.Errorf("%s: %d tokens and %d types, want %d", model.name, len(v.Tokens), len(v.Types), model.rows)
		}
		got, err := ParseGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := got.MarshalBinary()
		b, _ := want.MarshalBinary()
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the sections, of %d and %d bytes, differ", model.name, len(a), len(b))
		}
		// And the vocabulary is what llama.cpp's converter makes of the tokenizer.json.
		theirs := ggufVocabulary(t, readFile(t, model.name+"/tokenizer.json"), model.rows)
		for id := range theirs.Tokens {
			if v.Tokens[id] != theirs.Tokens[id] || v.Types[id] != theirs.Types[id] {
				t.Errorf("%s: token %d is %q of type %d, want %q of type %d", model.name, id, v.Tokens[id], v.Types[id], theirs.Tokens[id], theirs.Types[id])
			}
		}
	}
	// A tokenizer that GGUF files tell less of.
	tok, err := ParseGGUF(smallGGUF())
	if err != nil {
		t.Fatal(err)
	}
	tok.added[1].LStrip = true
	if _, notes, err := tok.GGUF(300); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "1 added tokens, such as <think>, take white space") {
		t.Errorf("an added token that takes white space along: %q, %v", notes, err)
	}
	tok.after = []int32{260}
	if _, _, err := tok.GGUF(300); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a token after every text: %v", err)
	}
	if _, _, err := tok.GGUF(maxTokens + 1); err == nil {
		t.Error("no error for too many tokens")
	}
}

// texts returns random ones of a tokenizer's tokens, characters that it may not know, and spaces and lines in a row.
func texts(tok *Tokenizer, n int) (all []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	runes := []rune("éßçñ你好🦙İ\u0301ﬁ\u00a01٣\r\t'")
	for range n {
		var b strings.Builder
		for range rng.IntN(12) {
			switch rng.IntN(5) {
			case 0:
				b.WriteString(strings.Repeat([]string{" ", "\n", "a", "."}[rng.IntN(4)], 1+rng.IntN(7)))
			case 1:
				b.WriteRune(runes[rng.IntN(len(runes))])
			default:
				b.WriteString(strings.ToValidUTF8(strings.ReplaceAll(tok.Text(int32(rng.IntN(tok.VocabSize()))), "▁", " "), ""))
			}
		}
		all = append(all, b.String())
	}
	return all
}

// sameTokens fails if two tokenizers make other tokens of a text, or another text of tokens.
func sameTokens(t *testing.T, got, want *Tokenizer) {
	t.Helper()
	for _, text := range texts(want, 4000) {
		for _, special := range []bool{false, true} {
			o := EncodeOptions{ParseSpecial: special, AddSpecial: special}
			ids := want.EncodeOptions(text, o)
			if other := got.EncodeOptions(text, o); !slices.Equal(other, ids) {
				t.Fatalf("%q is %v, want %v", text, other, ids)
			}
			if a, b := got.Decode(ids, false), want.Decode(ids, false); a != b {
				t.Fatalf("%v is %q, want %q", ids, a, b)
			}
		}
	}
}

// Tokenizers of each kind that families publish, and what llama.cpp calls them.
func TestGGUFFamilies(t *testing.T) {
	const joins = "may make other tokens of a text" // these small ones were not made by SentencePiece
	for _, tt := range []struct{ family, model, pre, note string }{
		{"gemma", "llama", "default", joins}, {"llama2", "llama", "default", joins},
		{"phi4", "gpt2", "dbrx", ""}, {"o200k", "gpt2", "gpt-4o", ""}, {"llama3", "gpt2", "llama-bpe", ""},
	} {
		t.Run(tt.family, func(t *testing.T) {
			want := family(t, tt.family)
			v, notes, err := want.GGUF(1600)
			if err != nil {
				t.Fatal(err)
			}
			if v.Model != tt.model || v.Pre != tt.pre || v.AddBOS != want.AddBOS() || !strings.Contains(strings.Join(notes, "\n"), tt.note) || tt.note == "" && notes != nil {
				t.Errorf("model %q, pre %q, BOS added %t, notes %q", v.Model, v.Pre, v.AddBOS, notes)
			}
			got, err := ParseGGUF(v)
			if err != nil {
				t.Fatal(err)
			}
			sameTokens(t, got, want)
		})
	}
	if _, _, err := family(t, "deepseek").GGUF(1600); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "another way than those called qwen2, ") {
		t.Errorf("a pre-tokenizer without a name: %v", err)
	}
}

// Of a tokenizer that was made of SentencePiece's, as Gemma's and Phi-3's, scores tell all: those of the file order merges as the tokenizer does, for
// programs that join neighbours by score.
func TestGGUFScores(t *testing.T) {
	for _, name := range []string{"gemma", "llama2"} {
		scored := spmVocabulary(family(t, name))
		scored.AddSpacePrefix = name == "llama2"
		for id, typ := range scored.Types { // added tokens of lines and spaces in a row can be made by merges, too
			if typ == GGUFUserDefined {
				scored.Types[id], scored.Scores[id] = 1, float32(len(scored.Types)-id)
			}
		}
		want, err := ParseGGUF(scored)
		if err != nil {
			t.Fatal(err)
		}
		s := want.spec
		s.added = family(t, name).added
		if want, err = newTokenizer(s); err != nil {
			t.Fatal(err)
		}
		v, notes, err := want.GGUF(1600)
		if err != nil || notes != nil || v.Merges != nil || v.AddSpacePrefix != scored.AddSpacePrefix {
			t.Fatalf("%s: notes %q, %d merges, space prefix %t: %v", name, notes, len(v.Merges), v.AddSpacePrefix, err)
		}
		got, err := ParseGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		sameTokens(t, got, want)
		for _, text := range texts(want, 4000) {
			if ids, scores := want.Encode(text, false), byScore(v, text); !slices.Equal(ids, scores) {
				t.Fatalf("%s: %q is %v, and by scores %v", name, text, ids, scores)
			}
		}
	}
}

// byScore is SentencePiece's algorithm: user-defined tokens are cut out, the longest first, and in what is between them neighbours are joined whose
// joint text is the token of the best score, the leftmost of equals. What is no token in the end is written in bytes.
func byScore(v GGUFVocabulary, text string) (ids []int32) {
	index := map[string]int32{}
	longest := ""
	for id, token := range v.Tokens {
		index[token] = int32(id)
		if v.Types[id] == GGUFUserDefined && len(token) > len(longest) && strings.Contains(text, token) {
			longest = token
		}
	}
	if longest != "" {
		before, after, _ := strings.Cut(text, longest)
		return slices.Concat(byScore(v, before), []int32{index[longest]}, byScore(v, after))
	}
	if text == "" {
		return nil
	}
	if v.AddSpacePrefix {
		text = " " + text
	}
	symbols := strings.Split(strings.ReplaceAll(text, " ", "▁"), "")
	for {
		best := -1
		var most float32
		for i := 1; i < len(symbols); i++ {
			if id, ok := index[symbols[i-1]+symbols[i]]; ok && (best < 0 || v.Scores[id] > most) {
				best, most = i, v.Scores[id]
			}
		}
		if best < 0 {
			break
		}
		symbols[best-1] += symbols[best]
		symbols = slices.Delete(symbols, best, best+1)
	}
	for _, s := range symbols {
		if id, ok := index[s]; ok {
			ids = append(ids, id)
			continue
		}
		for _, b := range []byte(s) {
			ids = append(ids, index[fmt.Sprintf("<0x%02X>", b)])
		}
	}
	return ids
}
