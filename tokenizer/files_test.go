package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"st/format"
	"st/tokenizer/hffile"
)

// legacyQwen takes the real Qwen tokenizer apart into vocab.json and merges.txt,
// with the added tokens by content.
func legacyQwen(tb testing.TB) (files Files, added map[string]int32, special []string) {
	tb.Helper()
	var file struct {
		Added []hfAddedToken `json:"added_tokens"`
		Model struct {
			Vocab  json.RawMessage `json:"vocab"`
			Merges []hfMerge       `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(readFile(tb, "qwen-tokenizer/tokenizer.json"), &file); err != nil {
		tb.Fatal(err)
	}
	var merges strings.Builder
	merges.WriteString("#version: 0.2\n")
	for _, m := range file.Model.Merges {
		fmt.Fprintf(&merges, "%s %s\n", m[0], m[1])
	}
	added = map[string]int32{}
	for _, a := range file.Added {
		added[a.Content] = a.ID
		if a.Special {
			special = append(special, a.Content)
		}
	}
	return Files{Vocab: file.Model.Vocab, Merges: []byte(merges.String())}, added, special
}

// TestVocabAndMerges: a checkpoint without tokenizer.json gets the tokenizer
// that it would have, whichever files tell the added tokens.
func TestVocabAndMerges(t *testing.T) {
	files, added, special := legacyQwen(t)
	vectors := readVectors(t, "qwen-tokenizer/vectors.jsonl")
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	recent, older := files, files
	recent.TokenizerConfig = readFile(t, "qwen-tokenizer/tokenizer_config.json")
	older.Config = []byte(`{"model_type": "smallthinker"}`)
	older.AddedTokens = encode(added)
	older.SpecialTokensMap = encode(object{"eos_token": object{"content": "<|im_end|>"}, "pad_token": "<|endoftext|>", "additional_special_tokens": special})
	for name, f := range map[string]Files{"tokenizer_config.json": recent, "added_tokens.json": older} {
		tok, err := ParseFiles(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, v := range vectors {
			if got := append([]int32{}, tok.Encode(v.Text, true)...); !slices.Equal(got, v.IDs) {
				t.Errorf("%s: Encode(%.100q) = %v, want %v", name, v.Text, got, v.IDs)
			}
			if got := tok.Decode(v.IDs, false); got != v.Decoded {
				t.Errorf("%s: Decode of %.100q = %.100q", name, v.Text, got)
			}
		}
		if eos, _ := tok.EOS(); eos != 151645 || tok.pad != 151643 || len(tok.SpecialTokens()) != 14 {
			t.Errorf("%s: EOS %d, padding %d, %d special tokens", name, eos, tok.pad, len(tok.SpecialTokens()))
		}
	}
}

func TestParseFiles(t *testing.T) {
	small := smallFile()
	vocab, _ := json.Marshal(at(small, "model")["vocab"])
	merges := []byte("#version: 0.2\nh e\nl l\r\nhe ll\n\nhell o\n")
	qwen2 := []byte(`{"tokenizer_class": "Qwen2TokenizerFast"}`)
	tok, err := ParseFiles(Files{Vocab: vocab, Merges: merges, TokenizerConfig: qwen2})
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("hello<|endoftext|>", true); !slices.Equal(got, []int32{259, 300}) {
		t.Errorf("Qwen2: %v", got)
	}
	mark := func(text []byte) []byte { return append([]byte("\ufeff"), text...) }
	if marked, err := ParseFiles(Files{Vocab: mark(vocab), Merges: mark(merges), TokenizerConfig: mark(qwen2)}); err != nil || !slices.Equal(marked.Encode("hello", true), []int32{259}) {
		t.Errorf("files with byte order marks: %v", err)
	}
	if eos, ok := tok.EOS(); eos != 300 || !ok || !tok.IsSpecial(300) {
		t.Errorf("Qwen2: EOS %d, %v", eos, ok)
	}
	tok, err = ParseFiles(Files{Vocab: vocab, Merges: merges, Config: []byte(`{"model_type": "gpt2"}`)})
	if err != nil || !slices.Equal(tok.Encode("hello", true), []int32{259}) || tok.splitter != splitGPT2 {
		t.Errorf("GPT-2: %v", err)
	}

	tok, err = ParseFiles(Files{Vocab: vocab, Merges: merges, AddedTokens: []byte(`{"<end>": 300, "<à>": 301}`),
		TokenizerConfig: []byte(`{"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<end>"}`)})
	if err != nil || !slices.Equal(tok.Encode("<end><a\u0300>", true), []int32{300, 301}) { // what is not special is found in the normalized text
		t.Errorf("added_tokens.json: %v", err)
	}

	for _, odd := range []string{`[1]`, `{"eos_token": ["<s>"]}`, `{"eos_token": 5}`, `{`, ``} {
		file, _ := json.Marshal(small)
		tok, err := ParseFiles(Files{Tokenizer: file, SpecialTokensMap: []byte(odd)})
		if err != nil {
			t.Fatalf("special_tokens_map.json %q: %v", odd, err)
		}
		if _, ok := tok.EOS(); ok || tok.UsesSpecialTokensMap() {
			t.Errorf("special_tokens_map.json %q is used", odd)
		}
	}

	special := []byte(`{"eos_token": {"content": "<s>"}, "bos_token": "<l>"}`)
	for config, want := range map[string]int32{`{}`: 300, `{"eos_token": null}`: 300, `{"eos_token": "<think>"}`: 301, `{"eos_token": "absent"}`: 300} {
		file, _ := json.Marshal(small)
		tok, err := ParseFiles(Files{Tokenizer: file, TokenizerConfig: []byte(config), SpecialTokensMap: special})
		if err != nil {
			t.Fatal(err)
		}
		if eos, _ := tok.EOS(); eos != want || tok.bos >= 0 || tok.UsesSpecialTokensMap() != (want == 300) {
			t.Errorf("tokenizer_config.json %s: EOS %d, want %d; BOS %d; special_tokens_map.json: %v", config, eos, want, tok.bos, tok.UsesSpecialTokensMap())
		}
	}

	python := []byte(strings.Replace(string(readFile(t, "tiny-smallthinker/tokenizer.json")), `"dropout": null`, `"dropout": NaN`, 1))
	if bytes.Contains(python, []byte(`"dropout": null`)) || !bytes.Contains(python, []byte("NaN")) {
		t.Fatal("tokenizer.json has no dropout")
	}
	if _, err := ParseFiles(Files{Tokenizer: python, TokenizerConfig: []byte(`{"model_max_length": Infinity}`)}); err != nil {
		t.Errorf("numbers of Python: %v", err)
	}

	pointer := []byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 134\n")
	for _, test := range []struct {
		name  string
		files Files
		want  error
		what  string
	}{
		{"nothing", Files{}, ErrNoTokenizer, ""},
		{"no merges", Files{Vocab: vocab}, ErrNoTokenizer, ""},
		{"another class", Files{Vocab: vocab, Merges: merges, TokenizerConfig: []byte(`{"tokenizer_class": "CodeLlamaTokenizer"}`)}, ErrUnknownClass, `"CodeLlamaTokenizer"`},
		{"another model", Files{Vocab: vocab, Merges: merges, Config: []byte(`{"model_type": "bloom"}`)}, ErrUnknownClass, `model_type "bloom"`},
		{"pointer tokenizer.json", Files{Tokenizer: pointer}, format.ErrPointer, "tokenizer.json:"},
		{"pointer tokenizer_config.json", Files{Tokenizer: readFile(t, "tiny-smallthinker/tokenizer.json"), TokenizerConfig: pointer}, format.ErrPointer, "tokenizer_config.json:"},
		{"pointer vocab.json", Files{Vocab: pointer, Merges: merges, TokenizerConfig: qwen2}, format.ErrPointer, "vocab.json:"},
		{"pointer merges.txt", Files{Vocab: vocab, Merges: pointer, TokenizerConfig: qwen2}, format.ErrPointer, "merges.txt:"},
		{"a text for an id", Files{Vocab: []byte(`{"a": 0, "b": "1"}`), Merges: merges, TokenizerConfig: qwen2}, nil, `vocab.json: token "b" has the id "1": a whole number was expected`},
		{"a list for the vocabulary", Files{Vocab: []byte(`"a"`), Merges: merges, TokenizerConfig: qwen2}, nil, "vocab.json: it is a JSON string: an object was expected"},
		{"a number for a class", Files{Vocab: vocab, Merges: merges, TokenizerConfig: []byte(`{"tokenizer_class": 1}`)}, nil,
			"tokenizer_config.json: field tokenizer_class is a JSON number: a text was expected"},
		{"no JSON", Files{Tokenizer: []byte("tokenizer")}, hffile.ErrNotJSON, "tokenizer.json: it is not valid JSON"},
		{"pointer special_tokens_map.json", Files{Tokenizer: readFile(t, "tiny-smallthinker/tokenizer.json"), SpecialTokensMap: pointer}, format.ErrPointer, "special_tokens_map.json:"},
		{"an id in a text", Files{Tokenizer: readFile(t, "tiny-smallthinker/tokenizer.json"), AddedTokens: []byte(`{"<x>": "5"}`)}, nil, `added_tokens.json: token "<x>" has the id "5"`},
		{"an id below 0", Files{Tokenizer: readFile(t, "tiny-smallthinker/tokenizer.json"), AddedTokens: []byte(`{"<x>": -1}`)}, nil, `added_tokens.json: token "<x>" has the id -1`},
		{"an id beyond all", Files{Vocab: vocab, Merges: merges, TokenizerConfig: qwen2, AddedTokens: []byte(`{"<x>": 2000000000}`)}, nil,
			`added_tokens.json: token "<x>" has the id 2000000000, which is not in 0..4194303`},
		{"a list of added tokens", Files{Tokenizer: readFile(t, "tiny-smallthinker/tokenizer.json"), TokenizerConfig: []byte(`{}`),
			AddedTokens: []byte(`[{"id": 4096, "content": "<x>"}]`)}, nil, "added_tokens.json: it is a JSON array: an object was expected"},
		{"merges of one", Files{Vocab: vocab, Merges: []byte("he\n"), TokenizerConfig: qwen2}, nil, `merges.txt: line 1, "he", is not a pair`},
	} {
		_, err := ParseFiles(test.files)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.what) {
			t.Errorf("%s: error %v, want %v with %q", test.name, err, test.want, test.what)
		}
	}
	if _, err := ChatTemplate(pointer); !errors.Is(err, format.ErrPointer) {
		t.Errorf("ChatTemplate: error %v", err)
	}
}

// TestLenient: files that the tokenizers library reads are read as it does.
func TestLenient(t *testing.T) {
	added := func(tokens ...object) func(object) {
		return func(f object) { f["added_tokens"] = tokens }
	}
	for _, test := range []struct {
		name   string
		change func(object)
		text   string
		want   []int32
	}{
		{"a model without a type", func(f object) { delete(at(f, "model"), "type") }, "hello", []int32{259}},
		{"listed twice", added(object{"id": 300, "content": "<x>"}, object{"id": 300, "content": "<x>"}), "<x>", []int32{300}},
		{"listed with two ids", added(object{"id": 300, "content": "<x>"}, object{"id": 301, "content": "<x>"}, object{"id": 302, "content": "<y>"}), "<x><y>", []int32{300, 301}},
		{"two with one id", added(object{"id": 300, "content": "<x>"}, object{"id": 300, "content": "<y>"}), "<x><y>", []int32{300, 301}},
		{"in the vocabulary with another id", added(object{"id": 300, "content": "he"}), "he", []int32{256}},
		{"empty", added(object{"id": 300, "content": ""}, object{"id": 301, "content": "<y>"}), "<y>", []int32{300}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := smallFile()
			at(file, "model", "vocab")["unused262"] = 262 // no hole: added tokens are numbered on
			test.change(file)
			if got := smallTokenizer(t, file).Encode(test.text, true); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestEndTokens(t *testing.T) {
	chatML := "{{ '<|im_start|>' }}...{{ '<|im_end|>' }}"
	specials := func(contents ...string) *Tokenizer {
		file := smallFile()
		at(file, "model", "vocab")["unused262"] = 262
		var tokens []object
		for i, c := range contents {
			tokens = append(tokens, object{"id": 300 + i, "content": c, "special": c != "<plain>"})
		}
		file["added_tokens"] = tokens
		return smallTokenizer(t, file)
	}
	for _, test := range []struct {
		name     string
		tok      *Tokenizer
		template string
		declared [][]int32
		want     []int32
	}{
		{"declared alone, EOS of the tokenizer", qwen(t), "", [][]int32{{151643}}, []int32{151643, 151645}},
		{"in order, once each", qwen(t), chatML, [][]int32{{151645, 151643}, {151643}}, []int32{151645, 151643}},
		{"nothing declared", qwen(t), chatML, nil, []int32{151645, 151643}},
		{"from the template", specials("<|eot_id|>", "<|end|>"), "...<|eot_id|>", [][]int32{{7}}, []int32{7, 300}},
		{"only special tokens", specials("<plain>"), "<plain>", nil, nil},
		{"no special token of this vocabulary", specials("<a>"), "<|im_end|><|end|>", nil, nil},
		{"a message of gpt-oss ends, not its turn", specials("<|end|>", "<|channel|>", "<|return|>", "<|call|>"),
			"<|channel|><|end|><|return|><|call|>", nil, []int32{302, 303}},
		{"Phi-3", specials("<|end|>", "<|endoftext|>"), "<|end|>", [][]int32{{301}}, []int32{301, 300}},
	} {
		if got := test.tok.EndTokens(test.template, test.declared...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestAddedTwice: of a token that tokenizer_config.json lists under several ids the lowest counts, each time that the files are read.
func TestAddedTwice(t *testing.T) {
	files, _, _ := legacyQwen(t)
	var listed []string
	for id := 151700; id >= 151650; id-- {
		listed = append(listed, fmt.Sprintf(`"%d": {"content": "<x>"}`, id))
	}
	files.TokenizerConfig = []byte(`{"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {` + strings.Join(listed, ", ") + `}}`)
	for range 2 {
		tok, err := ParseFiles(files)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := tok.ID("<x>"); !ok || id != 151650 {
			t.Fatalf("the token has the id %d, %v", id, ok)
		}
	}
}

// A fine-tune whose tokenizer.json is that of the base model: what other files list is added.
func TestTokensOfOtherFiles(t *testing.T) {
	for _, test := range []struct {
		name, added, config, special string
		want                         []int32 // of "<new><end>"
		isSpecial, used              bool    // <end> is special; added_tokens.json is used
	}{
		{"added_tokens.json", `{"<end>": 308, "<new>": 307, "<s>": 5}`, `{"eos_token": "<end>"}`, ``, []int32{307, 308}, true, true},
		{"and special_tokens_map.json", `{"<end>": 308, "<new>": 307}`, `{}`, `{"additional_special_tokens": ["<end>"]}`, []int32{307, 308}, true, true},
		{"and no other file", `{"<end>": 308, "<new>": 307}`, ``, ``, []int32{307, 308}, false, true},
		{"ids that are taken", `{"<end>": 300, "<new>": 7}`, ``, ``, []int32{307, 308}, false, true},
		{"tokenizer_config.json rules", `{"<end>": 308, "<new>": 307}`, `{"added_tokens_decoder": {"307": {"content": "<end>", "special": true},
			"308": {"content": "<new>"}}}`, ``, []int32{308, 307}, true, false},
		{"a pointer that nobody needs", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 134\n",
			`{"added_tokens_decoder": {"307": {"content": "<new>"}, "308": {"content": "<end>"}}}`, ``, []int32{307, 308}, false, false},
	} {
		file, _ := json.Marshal(smallFile())
		f := Files{Tokenizer: file, AddedTokens: []byte(test.added)}
		if test.config != "" {
			f.TokenizerConfig = []byte(test.config)
		}
		if test.special != "" {
			f.SpecialTokensMap = []byte(test.special)
		}
		tok, err := ParseFiles(f)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := tok.Encode("<new><end>", true)
		if !slices.Equal(got, test.want) || tok.IsSpecial(got[len(got)-1]) != test.isSpecial || tok.UsesAddedTokens() != test.used {
			t.Errorf("%s: %v, want %v; <end> is special: %v; added_tokens.json is used: %v", test.name, got, test.want, tok.IsSpecial(got[len(got)-1]), tok.UsesAddedTokens())
		}
	}
}
