package gguf

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"st/tokenizer"
)

// ErrNoVocabulary is what the error of [File.Vocabulary] wraps if the file has none.
var ErrNoVocabulary = errors.New("the file has no tokenizer")

// Vocabulary is what a file says of text.
type Vocabulary struct {
	Tokens       tokenizer.GGUFVocabulary
	ChatTemplate string   // "": none
	EOS          []int32  // tokens that end a turn or a text, ascending
	Notes        []string // what was taken for granted, for the user to read
}

// endsOfTurn are tokens that end a turn in the models that are known, whether the file lists them or not; llama.cpp finds them by name as well.
var endsOfTurn = []string{"<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<|end|>"}

// marksOfTurn are control tokens, whatever type the file gives them: converters that do not read tokenizer.json call Gemma's normal ones, and a text's would
// come apart.
var marksOfTurn = append([]string{"<start_of_turn>"}, endsOfTurn...)

// Vocabulary returns the tokenizer's vocabulary, for [tokenizer.ParseGGUF], and what belongs to it.
func (f *File) Vocabulary() (*Vocabulary, error) {
	v, err := f.vocabulary()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.shards[0].path, err)
	}
	return v, nil
}

func (f *File) vocabulary() (*Vocabulary, error) {
	k := &keys{metadata: f.Metadata}
	const prefix = "tokenizer.ggml."
	v := &Vocabulary{}
	t := &v.Tokens
	var ok bool
	if t.Model, ok = k.string(prefix + "model"); !ok && k.err == nil {
		return nil, fmt.Errorf("metadata entry %smodel is missing: %w", prefix, ErrNoVocabulary)
	}
	if t.Tokens, ok = k.strings(prefix + "tokens"); !ok {
		k.fail("metadata entry %stokens is missing: %w", prefix, ErrNoVocabulary)
	}
	architecture, _ := k.string("general.architecture")
	t.Pre = k.pre(t.Model, architecture, len(t.Tokens))
	t.Merges, _ = k.strings(prefix + "merges")
	t.Types = k.tokenTypes(t.Model, t.Tokens)
	// The defaults are those of llama.cpp.
	if t.AddBOS, ok = k.bool(prefix + "add_bos_token"); !ok {
		t.AddBOS = t.Model == "llama" || t.Pre == "llama-bpe" || t.Pre == "llama-v3" || t.Pre == "llama3"
	}
	if t.Model == "llama" {
		t.Scores, _ = find(k, prefix+"scores", "an array of numbers", func(value any) ([]float32, bool) {
			scores, ok := value.([]float32)
			return scores, ok
		})
		if t.AddSpacePrefix, ok = k.bool(prefix + "add_space_prefix"); !ok {
			// Ollama's files, which have merges too, do not tell that Gemma has none.
			t.AddSpacePrefix = !strings.HasPrefix(architecture, "gemma") || len(t.Merges) == 0
		}
	}
	// As in Transformers. llama.cpp goes by general.name, but fine-tunes have names of their own, and others may have Phi-3 in theirs.
	t.StripRight = architecture == "phi3" && t.Model == "llama"
	n := len(t.Tokens)
	t.BOS, t.EOS, t.Pad = k.special("bos", n), k.special("eos", n), k.special("padding", n)
	v.EOS = k.ends(n)
	if t.Model == "llama" && t.BOS < 0 && n > 1 && t.Tokens[1] == "<s>" {
		t.BOS = 1
	}
	if t.Model == "llama" && t.EOS < 0 && n > 2 && t.Tokens[2] == "</s>" {
		t.EOS, v.EOS = 2, append(v.EOS, 2)
	}
	for i, token := range t.Tokens {
		if slices.Contains(endsOfTurn, token) {
			v.EOS = append(v.EOS, int32(i))
		}
		if i < len(t.Types) && t.Types[i] != tokenizer.GGUFUnused && slices.Contains(marksOfTurn, token) {
			t.Types[i] = tokenizer.GGUFControl
		}
	}
	slices.Sort(v.EOS)
	v.EOS = slices.Compact(v.EOS)
	v.ChatTemplate = k.chatTemplate()
	v.Notes = k.notes
	return v, k.err
}

// chatTemplate returns the chat template, "" if there is none. Where a checkpoint has several by name, none of them called default, converters write only
// those.
func (k *keys) chatTemplate() string {
	const key = "tokenizer.chat_template"
	if text, _ := k.string(key); text != "" {
		return text
	}
	var all []tokenizer.NamedTemplate
	for _, e := range k.metadata { // not by the names under chat_templates, which may be millions
		name, named := strings.CutPrefix(e.Key, key+".")
		if text, ok := e.Value.(string); ok && named {
			all = append(all, tokenizer.NamedTemplate{Name: name, Template: text})
		}
	}
	t := tokenizer.ChooseTemplate(all, false)
	if t.Template != "" && t.Name != "default" {
		k.note("no chat template is named default: %q is used", t.Name)
	}
	return t.Template
}

// pre returns how text is split, by the name of a model. Files of converters that did not know the tokenizer have none, or "default", with which llama.cpp
// splits in a way that no model was trained with: they get what the published models of their architecture have.
func (k *keys) pre(model, architecture string, tokens int) string {
	const key = "tokenizer.ggml.pre"
	pre, _ := k.string(key)
	if model != "gpt2" || pre != "" && pre != "default" {
		return pre
	}
	switch {
	case slices.Contains([]string{"smallthinker", "qwen3", "qwen3moe"}, architecture):
		pre = "qwen2"
	case architecture == "phi3" && tokens > 150000:
		pre = "gpt-4o" // Phi-4-mini
	case architecture == "phi3":
		pre = "dbrx" // Phi-4
	default:
		return pre
	}
	k.note("metadata entry %s does not tell how text is split: as for %s, as published models of this architecture have it", key, pre)
	return pre
}

// tokenTypes returns the types of tokens. A file that does not tell them, which llama.cpp takes, has those that the texts of the tokens are known for.
func (k *keys) tokenTypes(model string, tokens []string) []int32 {
	const key = "tokenizer.ggml.token_type"
	given, ok := k.ints(key)
	if !ok {
		k.note("metadata entry %s is missing: which tokens are special is taken from their texts", key)
		given = make([]int64, len(tokens))
		for i, token := range tokens {
			given[i] = int64(typeByText(model, token))
		}
	}
	types := make([]int32, len(given))
	for i, typ := range given {
		if types[i] = int32(typ); int64(types[i]) != typ {
			k.fail("metadata entry %s: type %d of token %d is none that GGUF has", key, typ, i)
		}
	}
	return types
}

var (
	controlText = regexp.MustCompile(`^<(\|.*\||｜.*｜)>$`)
	spmControl  = regexp.MustCompile(`^<(/?s|bos|eos|pad|unused\d+)>$`)
	spmByte     = regexp.MustCompile(`^<0x[0-9A-F]{2}>$`)
)

// typeByText returns the type of a token of which nothing is known but its text. Bytes, and <s> and the like, are SentencePiece's.
func typeByText(model, token string) int32 {
	spm := model == "llama"
	switch {
	case controlText.MatchString(token), spm && spmControl.MatchString(token):
		return tokenizer.GGUFControl
	case spm && spmByte.MatchString(token):
		return tokenizer.GGUFByte
	case spm && token == "<unk>":
		return tokenizer.GGUFUnknown
	}
	return tokenizer.GGUFNormal
}

// special returns the id of a token that is known by what it is for, of a vocabulary of n; −1: there is none. Some converters write −1 for that, also
// as the uint32 that the entry has to be. An id that no token has counts as none, as in llama.cpp.
func (k *keys) special(name string, n int) int32 {
	key := "tokenizer.ggml." + name + "_token_id"
	id, ok := find(k, key, "the id of a token", asInt)
	switch {
	case !ok || id == -1 || id == math.MaxUint32:
		return -1
	case id < 0 || id >= int64(n):
		k.note("metadata entry %s is %d, but there are %d tokens: left out", key, id, n)
		return -1
	}
	return int32(id)
}

// EndTokens names the tokens that end a text, a turn and a message, whose ids are under tokenizer.ggml.NAME_token_id.
var EndTokens = []string{"eos", "eot", "eom"}

// ends returns the tokens that end a text, as the file lists them. Files that Ollama's converter made have all of generation_config.json in eos_token_ids.
func (k *keys) ends(n int) (ids []int32) {
	for _, name := range EndTokens {
		if id := k.special(name, n); id >= 0 {
			ids = append(ids, id)
		}
	}
	more, _ := k.ints("tokenizer.ggml.eos_token_ids")
	for _, id := range more {
		if id >= 0 && id < int64(n) && !slices.Contains(ids, int32(id)) {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

// TextTokens returns the tokens that begin and end a text, which a file without a tokenizer may tell of, too: bos is −1 if it has none. n is the size of
// the model's vocabulary. Notes are for the user to read.
func (f *File) TextTokens(n int) (bos int32, eos []int32, notes []string, err error) {
	k := &keys{metadata: f.Metadata}
	bos, eos = k.special("bos", n), k.ends(n)
	if k.err != nil {
		return -1, nil, nil, fmt.Errorf("%s: %w", f.shards[0].path, k.err)
	}
	return bos, eos, k.notes, nil
}

// General is who made a model, and where it is from, as its file tells it: any of it may be "".
type General struct {
	Name, Organization, License, URL, QuantizedBy string
}

// General returns what the file says of where the model is from.
func (f *File) General() General {
	k := &keys{metadata: f.Metadata}
	first := func(names ...string) string {
		for _, name := range names {
			if text, ok := k.string("general." + name); ok && text != "" {
				return text
			}
		}
		return ""
	}
	return General{
		Name: first("name", "basename"), Organization: first("organization", "author"), License: first("license"),
		URL: first("source.url", "source.repo_url", "url", "repo_url"), QuantizedBy: first("quantized_by"),
	}
}

// Sampling are the defaults for generation that a file has under general.sampling, whatever numbers these are. A nil field was not given.
type Sampling struct {
	Temperature, TopP, MinP, RepetitionPenalty *float64
	TopK                                       *int
}

// Sampling returns the defaults for generation. The error names the entry that is wrong.
func (f *File) Sampling() (Sampling, error) {
	k := &keys{metadata: f.Metadata}
	const prefix = "general.sampling."
	var s Sampling
	for name, to := range map[string]**float64{"temp": &s.Temperature, "top_p": &s.TopP, "min_p": &s.MinP, "penalty_repeat": &s.RepetitionPenalty} {
		if v, ok := k.float(prefix + name); ok {
			*to = &v
		}
	}
	n, ok := find(k, prefix+"top_k", "a whole number", func(value any) (int, bool) {
		n, ok := asInt(value)
		return int(n), ok && n >= -maxSize && n <= maxSize
	})
	if ok {
		s.TopK = &n
	}
	if k.err != nil {
		return Sampling{}, fmt.Errorf("%s: %w", f.shards[0].path, k.err)
	}
	return s, nil
}
