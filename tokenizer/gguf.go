package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// GGUFVocabulary is a vocabulary as GGUF files keep it, under tokenizer.ggml.
type GGUFVocabulary struct {
	Model  string   // "gpt2": byte-level BPE; "llama": SentencePiece, with a score for each token
	Pre    string   // how text is split and normalized, by the name of a model: "qwen2"
	Tokens []string // by id: the model's own in byte-level characters, added ones as they are
	Types  []int32  // by id: GGUFNormal and so on
	Merges []string // by rank: two tokens with a space between. Of llama only where they are not those that follow from the scores

	Scores         []float32 // of llama, by id: neighbours are joined whose joint token has the best one
	AddSpacePrefix bool      // of llama: a text begins with a space

	BOS, EOS, Pad int32 // −1: none
	AddBOS        bool
	StripRight    bool // added tokens take the white space on their right along, as Phi-3's do. No entry of a file tells it
}

// The types of tokens in GGUF files.
const (
	GGUFNormal int32 = 1 + iota
	GGUFUnknown
	GGUFControl // special
	GGUFUserDefined
	GGUFUnused
	GGUFByte
)

// ggufPre is what a GGUF file does not say, because the programs that read it know it of the model that "pre" names.
type ggufPre struct {
	names        []string // the first is the one that is written
	pattern      string   // of the pieces
	nfc          bool
	ignoreMerges bool
	plain        map[string]bool // added tokens that are not special, although the file calls every <|…|> a control token
}

const patternO200k = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
	`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// ggufPres are those that are known. All patterns match every character. Phi-4 has dbrx, Phi-4-mini gpt-4o.
var ggufPres = []ggufPre{
	{names: []string{"qwen2"}, pattern: patternQwen2, nfc: true, plain: map[string]bool{
		"<|fim_prefix|>": true, "<|fim_middle|>": true, "<|fim_suffix|>": true, "<|fim_pad|>": true, "<|repo_name|>": true, "<|file_sep|>": true,
	}},
	{names: []string{"deepseek-r1-qwen"}, pattern: patternQwen2},
	{names: []string{"llama-bpe", "llama-v3", "llama3"}, pattern: patternLlama3, ignoreMerges: true},
	{names: []string{"dbrx"}, pattern: patternLlama3},
	{names: []string{"gpt-4o"}, pattern: patternO200k},
	{names: []string{"gpt-2"}, pattern: patternGPT2},
}

// findPre returns the pre-tokenizer of a name, nil if it is not known.
func findPre(name string) *ggufPre {
	for i := range ggufPres {
		if slices.Contains(ggufPres[i].names, name) {
			return &ggufPres[i]
		}
	}
	return nil
}

// knownPres lists the names for people.
func knownPres() string {
	var names []string
	for _, p := range ggufPres {
		names = append(names, p.names[0])
	}
	return strings.Join(names, ", ")
}

// ParseGGUF returns the tokenizer that [ParseHF] would have made of the tokenizer.json from which the vocabulary was taken. It supports the
// model "gpt2" with a pre that ggufPres lists, and the model "llama": for anything else it returns an error that names the field.
//
// Unused tokens, with which files fill the vocabulary up to the rows of the embedding, and those without a text are no tokens here.
func ParseGGUF(v GGUFVocabulary) (*Tokenizer, error) {
	if v.Model == "llama" {
		return parseSPM(v)
	}
	pre := findPre(v.Pre)
	switch {
	case v.Model != "gpt2":
		return nil, fmt.Errorf("model: %q is not supported, only gpt2 (byte-level BPE) and llama (SentencePiece)", v.Model)
	case pre == nil:
		return nil, fmt.Errorf("pre: %q is not supported, only %s", v.Pre, knownPres())
	case len(v.Types) != len(v.Tokens):
		return nil, fmt.Errorf("token_type: there are %d types, but %d tokens", len(v.Types), len(v.Tokens))
	case len(v.Tokens) > maxTokens:
		return nil, fmt.Errorf("tokens: there are %d, more than the %d supported", len(v.Tokens), maxTokens)
	}
	s := pre.spec()
	v.special(&s)
	ids := make(map[string]int32, len(v.Tokens))
	for id, token := range v.Tokens {
		if token == "" {
			continue // no text comes to it
		}
		switch v.Types[id] {
		case GGUFUnused:
		case GGUFControl, GGUFUserDefined:
			s.added = append(s.added, v.added(int32(id), v.Types[id] == GGUFControl && !pre.plain[token]))
		case GGUFByte:
			return nil, fmt.Errorf("tokens: %q (id %d) is a byte token, which model gpt2 does not have", token, id)
		default:
			text, ok := appendByteLevel(nil, token)
			if !ok {
				return nil, fmt.Errorf("tokens: %q (id %d) is not byte-level", token, id)
			}
			for len(s.model) < id {
				s.model = append(s.model, "")
			}
			s.model = append(s.model, string(text))
			ids[token] = int32(id)
		}
	}
	var err error
	if s.merges, err = ggufMerges(v.Merges, ids); err != nil {
		return nil, err
	}
	return newTokenizer(s)
}

// added returns an added token.
func (v *GGUFVocabulary) added(id int32, special bool) AddedToken {
	token := v.Tokens[id]
	strip := v.StripRight && !slices.Contains([]string{"<unk>", "<s>", "<|endoftext|>"}, token)
	return AddedToken{ID: id, Content: token, Special: special, RStrip: strip}
}

// special sets the tokens that begin, end and fill texts.
func (v *GGUFVocabulary) special(s *spec) {
	used := func(id int32) int32 {
		if id >= 0 && int(id) < len(v.Types) && v.Types[id] == GGUFUnused {
			return -1
		}
		return id
	}
	s.bos, s.eos, s.pad = used(v.BOS), used(v.EOS), used(v.Pad)
	if v.AddBOS && s.bos >= 0 {
		s.before = []int32{s.bos}
	}
}

// spec returns such a tokenizer, without a vocabulary.
func (p *ggufPre) spec() spec {
	no := false
	s := spec{options: modelOptions{Bytes: true, IgnoreMerges: p.ignoreMerges}, decoders: []component{{Type: typeByteLevel}}}
	if p.nfc {
		s.normalizers = []component{{Type: "NFC"}}
	}
	s.preTokenizers = []component{{Type: typeByteLevel}}
	if p.pattern != patternGPT2 {
		s.preTokenizers = []component{
			{Type: typeSplit, Pattern: &pattern{Regex: &p.pattern}, Behavior: "Isolated"},
			{Type: typeByteLevel, AddPrefixSpace: &no, UseRegex: &no},
		}
	}
	return s
}

// ggufMerges returns the merges by rank. One whose result is no token is left out: it has no effect, for what it joins comes apart again.
func ggufMerges(from []string, ids map[string]int32) ([]merge, error) {
	merges := make([]merge, 0, len(from))
	for rank, joined := range from {
		a, b, ok := strings.Cut(joined, " ")
		left, ok1 := ids[a]
		right, ok2 := ids[b]
		if !ok || !ok1 || !ok2 {
			return nil, fmt.Errorf("merges: merge %d, %q, is not two tokens with a space between", rank, joined)
		}
		if result, ok := ids[a+b]; ok {
			merges = append(merges, merge{left, right, result})
		}
	}
	return merges, nil
}
