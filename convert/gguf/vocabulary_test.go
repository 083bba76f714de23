package gguf

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"st/tokenizer"
)

// vocabularyOf is a tokenizer of the 256 bytes and three more.
func vocabularyOf() Metadata {
	var tokens []string
	moved := rune(0x100) // bytes that are not printable are written as other characters
	for b := range rune(256) {
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			tokens = append(tokens, string(moved))
			moved++
			continue
		}
		tokens = append(tokens, string(b))
	}
	tokens = append(tokens, "<|endoftext|>", "<|im_end|>", "hi")
	types := slices.Repeat([]int32{1}, len(tokens))
	types[256], types[257] = 3, 3
	return Metadata{
		{"tokenizer.ggml.model", "gpt2"}, {"tokenizer.ggml.pre", "qwen2"}, {"tokenizer.ggml.tokens", tokens}, {"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.merges", []string{"h i"}}, {"tokenizer.ggml.eos_token_id", uint32(257)}, {"tokenizer.ggml.padding_token_id", uint32(256)},
		{"tokenizer.ggml.add_bos_token", false}, {"tokenizer.chat_template", "{{ messages }}"},
	}
}

// A vocabulary that was written and read makes a tokenizer.
func TestVocabulary(t *testing.T) {
	f, err := parse(written(t, vocabularyOf(), nil))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if v.Tokens.BOS != -1 || v.Tokens.EOS != 257 || v.Tokens.Pad != 256 || v.Tokens.AddBOS || v.ChatTemplate != "{{ messages }}" {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(v.EOS, []int32{256, 257}) {
		t.Errorf("EOS is %v", v.EOS)
	}
	tok, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("hi!<|im_end|>", true); !slices.Equal(ids, []int32{258, '!', 257}) {
		t.Errorf("%v", ids)
	}
}

// The markers of Phi-3 take the line ends of its chat template along, as with its tokenizer.json. Those of Gemma do not, whatever a model's name is.
func TestPhi3ByArchitecture(t *testing.T) {
	tokens := []string{"<unk>", "<s>", "</s>", "▁", "h", "i", "▁h", "▁hi", "<|endoftext|>", "<|user|>", "<|end|>", "<|assistant|>"}
	types := []int32{2, 3, 3, 1, 1, 1, 1, 1, 3, 3, 3, 4}
	scores := make([]float32, len(tokens))
	scores[6], scores[7] = -1, -2
	for b := range 256 {
		tokens, types, scores = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6), append(scores, 0)
	}
	newline := int32(slices.Index(tokens, "<0x0A>"))
	for arch, want := range map[string][]int32{
		"phi3":   {9, 7, 10, 11, 7, 8, 3, newline},
		"gemma3": {9, 3, newline, 4, 5, 10, 3, newline, 11, 3, newline, 4, 5, 8, 3, newline},
	} {
		f, err := parse(written(t, Metadata{{"general.architecture", arch}, {"general.name", "Not Phi-3"}, {"tokenizer.ggml.model", "llama"},
			{"tokenizer.ggml.tokens", tokens}, {"tokenizer.ggml.token_type", types}, {"tokenizer.ggml.scores", scores}}, nil))
		if err != nil {
			t.Fatal(err)
		}
		v, err := f.Vocabulary()
		if err != nil {
			t.Fatal(err)
		}
		tok, err := tokenizer.ParseGGUF(v.Tokens)
		if err != nil {
			t.Fatal(err)
		}
		if ids := tok.Encode("<|user|>\nhi<|end|>\n<|assistant|>\nhi<|endoftext|>\n", true); !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", arch, ids, want)
		}
	}
}

// The tokenizer of Qwen, written as llama.cpp's converter writes it, and read: it encodes and decodes as the tokenizers library does.
func TestVocabularyOfQwen(t *testing.T) {
	const dir = "../../testdata/qwen-tokenizer/"
	var hf struct {
		Added []struct {
			ID      int32
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	readJSON(t, dir+"tokenizer.json.gz", &hf)
	const rows = 151936
	tokens, types := make([]string, rows), slices.Repeat([]int32{5}, rows)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("[PAD%d]", i)
	}
	for token, id := range hf.Model.Vocab {
		tokens[id], types[id] = token, 1
	}
	for _, a := range hf.Added {
		tokens[a.ID], types[a.ID] = a.Content, 4
		if a.Special || strings.HasPrefix(a.Content, "<|") {
			types[a.ID] = 3
		}
	}
	var merges []string
	for _, m := range hf.Model.Merges {
		merges = append(merges, m[0]+" "+m[1])
	}
	f, err := parse(written(t, Metadata{
		{"tokenizer.ggml.model", "gpt2"}, {"tokenizer.ggml.pre", "qwen2"}, {"tokenizer.ggml.tokens", tokens}, {"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.merges", merges}, {"tokenizer.ggml.eos_token_id", uint32(151645)}, {"tokenizer.ggml.padding_token_id", uint32(151643)},
		{"tokenizer.ggml.bos_token_id", uint32(151643)}, {"tokenizer.ggml.add_bos_token", false},
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.EOS, []int32{151643, 151645}) {
		t.Errorf("EOS is %v", v.EOS)
	}
	tok, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := os.ReadFile(dir + "vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(vectors) {
		var v struct {
			Text, Decoded string
			IDs           []int32
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		if ids := tok.Encode(v.Text, true); !slices.Equal(ids, v.IDs) {
			t.Errorf("%.100q is %v, want %v", v.Text, ids, v.IDs)
		}
		if text := tok.Decode(v.IDs, false); text != v.Decoded {
			t.Errorf("%.100q is decoded as %.100q", v.Decoded, text)
		}
		n++
	}
	if n < 100 {
		t.Errorf("only %d vectors", n)
	}
}

// readJSON reads a compressed JSON file.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err == nil {
		err = json.NewDecoder(text).Decode(into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Tokens that mark turns are control tokens in files that call them normal or user-defined ones, too: a template's text comes to one token.
func TestVocabularyMarksOfTurn(t *testing.T) {
	m := vocabularyOf()
	tokens, _ := m.Lookup("tokenizer.ggml.tokens")
	types := slices.Repeat([]int32{tokenizer.GGUFNormal}, 261)
	types[260] = tokenizer.GGUFUserDefined
	m = with(m, Entry{"tokenizer.ggml.tokens", append(tokens.([]string), "<start_of_turn>", "<end_of_turn>")}, Entry{"tokenizer.ggml.token_type", types})
	v, err := headerOf(m, "m.gguf").Vocabulary()
	if err != nil || !slices.Equal(v.EOS, []int32{256, 257, 260}) {
		t.Fatalf("EOS is %v, %v", v.EOS, err)
	}
	tok, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("<start_of_turn>hi<end_of_turn>", true); !slices.Equal(ids, []int32{259, 258, 260}) {
		t.Errorf("%v", ids)
	}
	if ids := tok.Encode("<end_of_turn>", false); len(ids) == 1 {
		t.Error("<end_of_turn> is special: as plain text it comes apart")
	}
}

// A file that does not tell the types of tokens has special ones all the same: those whose text says so.
func TestVocabularyWithoutTypes(t *testing.T) {
	v, err := headerOf(with(vocabularyOf(), Entry{"tokenizer.ggml.token_type", nil}), "m.gguf").Vocabulary()
	if err != nil || len(v.Notes) != 1 || !strings.HasPrefix(v.Notes[0], "metadata entry tokenizer.ggml.token_type is missing: ") {
		t.Fatalf("notes %q, %v", v.Notes, err)
	}
	tok, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("hi<|im_end|>", true); !slices.Equal(ids, []int32{258, 257}) {
		t.Errorf("%v", ids)
	}

	m := Metadata{{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.tokens", []string{"<unk>", "<s>", "</s>", "<0x0A>", "<b>", "a", "<|user|>"}},
		{"tokenizer.ggml.scores", make([]float32, 7)}}
	v, err = headerOf(m, "m.gguf").Vocabulary()
	want := []int32{tokenizer.GGUFUnknown, tokenizer.GGUFControl, tokenizer.GGUFControl, tokenizer.GGUFByte, tokenizer.GGUFNormal, tokenizer.GGUFNormal,
		tokenizer.GGUFControl}
	if err != nil || !slices.Equal(v.Tokens.Types, want) {
		t.Errorf("types of SentencePiece's tokens: %v, %v", v.Tokens.Types, err)
	}
}

// A file that does not tell how text is split has it from its architecture.
func TestVocabularyWithoutPre(t *testing.T) {
	for _, tt := range []struct {
		architecture string
		pre          any
		tokens       int
		want         string
		noted        bool
	}{
		{"qwen3", nil, 259, "qwen2", true},
		{"smallthinker", "default", 259, "qwen2", true},
		{"phi3", "default", 100352, "dbrx", true},
		{"phi3", "default", 200064, "gpt-4o", true},
		{"phi3", "gpt-2", 259, "gpt-2", false},
		{"gemma3", "default", 259, "default", false},
	} {
		tokens, _ := vocabularyOf().Lookup("tokenizer.ggml.tokens")
		all := append(tokens.([]string), make([]string, tt.tokens-259)...)
		m := with(vocabularyOf(), Entry{"general.architecture", tt.architecture}, Entry{"tokenizer.ggml.pre", tt.pre}, Entry{"tokenizer.ggml.tokens", all})
		v, err := headerOf(m, "m.gguf").Vocabulary()
		if err != nil || v.Tokens.Pre != tt.want || (len(v.Notes) > 0) != tt.noted {
			t.Errorf("%s, %v: pre is %q, notes %q, %v", tt.architecture, tt.pre, v.Tokens.Pre, v.Notes, err)
		}
	}
}

// Converters write −1 for a token that there is not, and some files name one that the vocabulary does not have: none, as in llama.cpp.
func TestVocabularyWithoutTokens(t *testing.T) {
	for name, tt := range map[string]struct {
		id   any
		note string
	}{
		"-1":               {int32(-1), ""},
		"-1 as a uint32":   {uint32(math.MaxUint32), ""},
		"above the tokens": {uint32(259), "metadata entry tokenizer.ggml.eos_token_id is 259, but there are 259 tokens: left out"},
	} {
		f := headerOf(with(vocabularyOf(), Entry{"tokenizer.ggml.eos_token_id", tt.id}), "m.gguf")
		v, err := f.Vocabulary()
		if err != nil || v.Tokens.EOS != -1 || !slices.Equal(v.EOS, []int32{256, 257}) || strings.Join(v.Notes, "\n") != tt.note {
			t.Errorf("%s: EOS %d, ends %v, notes %q, %v", name, v.Tokens.EOS, v.EOS, v.Notes, err)
		}
		if _, ends, notes, err := f.TextTokens(259); err != nil || len(ends) != 0 || strings.Join(notes, "\n") != tt.note {
			t.Errorf("%s without a tokenizer: ends %v, notes %q, %v", name, ends, notes, err)
		}
	}
}

// Ollama's converter lists the tokens that end a text in an array of its own.
func TestVocabularyEnds(t *testing.T) {
	f := headerOf(with(vocabularyOf(), Entry{"tokenizer.ggml.eos_token_ids", []int32{258, 257, -1, 9999}}), "m.gguf")
	if v, err := f.Vocabulary(); err != nil || !slices.Equal(v.EOS, []int32{256, 257, 258}) {
		t.Errorf("EOS is %v, %v", v.EOS, err)
	}
	if _, ends, _, err := f.TextTokens(259); err != nil || !slices.Equal(ends, []int32{257, 258}) {
		t.Errorf("without a tokenizer EOS is %v, %v", ends, err)
	}
}

// A file of SentencePiece's that does not tell which tokens begin and end a text has those of Llama, as in llama.cpp.
func TestVocabularyDefaultTokens(t *testing.T) {
	m := Metadata{{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.tokens", []string{"<unk>", "<s>", "</s>", "a"}},
		{"tokenizer.ggml.token_type", []int32{2, 3, 3, 1}}, {"tokenizer.ggml.scores", make([]float32, 4)}}
	v, err := headerOf(m, "m.gguf").Vocabulary()
	if err != nil || v.Tokens.BOS != 1 || v.Tokens.EOS != 2 || !v.Tokens.AddBOS || !slices.Equal(v.EOS, []int32{2}) {
		t.Errorf("%+v, %v", v, err)
	}
	v, err = headerOf(with(m, Entry{"tokenizer.ggml.eos_token_id", uint32(4)}), "m.gguf").Vocabulary() // an id that no token has tells nothing
	if err != nil || v.Tokens.EOS != 2 || strings.Join(v.Notes, "\n") != "metadata entry tokenizer.ggml.eos_token_id is 4, but there are 4 tokens: left out" {
		t.Errorf("%+v, %v", v, err)
	}
	v, err = headerOf(with(m, Entry{"tokenizer.ggml.bos_token_id", uint32(2)}, Entry{"tokenizer.ggml.eos_token_id", uint32(3)}), "m.gguf").Vocabulary()
	if err != nil || v.Tokens.BOS != 2 || v.Tokens.EOS != 3 || !slices.Equal(v.EOS, []int32{3}) {
		t.Errorf("%+v, %v", v, err)
	}
}

// Of templates by name the default one is used, and another where there is none.
func TestVocabularyTemplates(t *testing.T) {
	named := Metadata{{"tokenizer.chat_templates", []string{"rag", "tool_use", "absent"}}, {"tokenizer.chat_template.rag", "R"},
		{"tokenizer.chat_template.tool_use", "T"}}
	alike := Metadata{{"tokenizer.chat_templates", []string{"rag", "default"}}, {"tokenizer.chat_template.rag", "N"}, {"tokenizer.chat_template.default", "N"}}
	for _, tt := range []struct {
		first any
		more  Metadata
		want  string
		note  string
	}{
		{"D", named, "D", ""},
		{nil, named, "T", `no chat template is named default: "tool_use" is used`},
		{nil, Metadata{{"tokenizer.chat_templates", []string{"default"}}, {"tokenizer.chat_template.default", "N"}}, "N", ""},
		{nil, alike, "N", ""},
		{nil, Metadata{{"tokenizer.chat_template.rag", "R"}}, "R", `no chat template is named default: "rag" is used`}, // without a list of names
		{nil, nil, "", ""},
	} {
		v, err := headerOf(with(with(vocabularyOf(), Entry{"tokenizer.chat_template", tt.first}), tt.more...), "m.gguf").Vocabulary()
		if err != nil || v.ChatTemplate != tt.want || strings.Join(v.Notes, "\n") != tt.note {
			t.Errorf("%v and %v: template %q, notes %q, %v", tt.first, tt.more, v.ChatTemplate, v.Notes, err)
		}
	}
}

// Texts of Gemma do not begin with a space, which files of Ollama's converter do not tell; those of other tokenizers of SentencePiece do.
func TestVocabularySpacePrefix(t *testing.T) {
	llama := Metadata{{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.tokens", []string{"a", "b", "ab"}}, {"tokenizer.ggml.token_type", []int32{1, 1, 1}},
		{"tokenizer.ggml.scores", make([]float32, 3)}}
	merges, no := Entry{"tokenizer.ggml.merges", []string{"a b"}}, Entry{"tokenizer.ggml.add_space_prefix", false}
	for _, tt := range []struct {
		architecture string
		more         Metadata
		want         bool
	}{{"phi3", nil, true}, {"phi3", Metadata{merges}, true}, {"phi3", Metadata{no}, false}, {"gemma3", nil, true}, {"gemma3", Metadata{merges}, false}} {
		v, err := headerOf(with(with(llama, Entry{"general.architecture", tt.architecture}), tt.more...), "m.gguf").Vocabulary()
		if err != nil || v.Tokens.AddSpacePrefix != tt.want {
			t.Errorf("%s with %v: a space is added: %v, %v", tt.architecture, tt.more, v.Tokens.AddSpacePrefix, err)
		}
	}
}

func TestVocabularyRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change Entry
		want   string
	}{
		"none":           {Entry{"tokenizer.ggml.model", nil}, "tokenizer.ggml.model is missing: the file has no tokenizer"},
		"no tokens":      {Entry{"tokenizer.ggml.tokens", nil}, "tokenizer.ggml.tokens is missing: the file has no tokenizer"},
		"tokens of ints": {Entry{"tokenizer.ggml.tokens", []int32{1}}, "it must be an array of texts"},
		"a huge type":    {Entry{"tokenizer.ggml.token_type", []int64{1 << 40}}, "type 1099511627776 of token 0"},
		"an id of text":  {Entry{"tokenizer.ggml.eos_token_id", "2"}, "it must be the id of a token"},
		"add_bos":        {Entry{"tokenizer.ggml.add_bos_token", uint8(1)}, "it must be true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := headerOf(with(vocabularyOf(), tt.change), "m.gguf").Vocabulary()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if errors.Is(err, ErrNoVocabulary) != strings.Contains(tt.want, "no tokenizer") {
				t.Errorf("ErrNoVocabulary in %v", err)
			}
		})
	}
}

func TestGeneral(t *testing.T) {
	m := Metadata{{"general.name", ""}, {"general.basename", "SmallThinker"}, {"general.author", "Tiiny"}, {"general.license", "apache-2.0"},
		{"general.repo_url", "https://example.com"}, {"general.quantized_by", "somebody"}}
	want := General{"SmallThinker", "Tiiny", "apache-2.0", "https://example.com", "somebody"}
	if got := headerOf(m, "m.gguf").General(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestSampling(t *testing.T) {
	m := Metadata{{"general.sampling.temp", float32(0.6)}, {"general.sampling.top_k", int32(20)}, {"general.sampling.penalty_repeat", float32(1.1)}}
	got, err := headerOf(m, "m.gguf").Sampling()
	if err != nil || *got.Temperature != 0.6 || *got.TopK != 20 || *got.RepetitionPenalty != 1.1 || got.TopP != nil || got.MinP != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for key, value := range map[string]any{"temp": "hot", "top_k": float32(2.5), "min_p": []float32{1}} {
		_, err := headerOf(Metadata{{"general.sampling." + key, value}}, "m.gguf").Sampling()
		if err == nil || !strings.HasPrefix(err.Error(), "m.gguf: metadata entry general.sampling."+key+" is ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
