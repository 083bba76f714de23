package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// object is a JSON object in the making.
type object = map[string]any

// smallFile returns a tokenizer.json with the 256 bytes, a few merges and one
// added token of each kind.
func smallFile() object {
	vocab := object{}
	for b := range 256 {
		vocab[string(byteToRune[b])] = b
	}
	merges := [][]string{{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"Ġ", "hello"}, {"a", "b"}}
	for i, m := range merges {
		vocab[m[0]+m[1]] = 256 + i
	}
	for id := 263; id < 300; id++ { // so that added tokens are numbered from 300
		vocab[fmt.Sprint("unused", id)] = id
	}
	var added []object
	for i, a := range []object{
		{"content": "<s>", "special": true},
		{"content": "<think>"},
		{"content": "<thinking>"},
		{"content": "word", "single_word": true},
		{"content": "<l>", "lstrip": true},
		{"content": "<r>", "rstrip": true},
		{"content": "café", "normalized": true},
	} {
		a["id"] = 300 + i
		added = append(added, a)
	}
	return object{
		"added_tokens": added,
		"normalizer":   object{"type": "NFC"},
		"pre_tokenizer": object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "pattern": object{"Regex": patternQwen2}, "behavior": "Isolated", "invert": false},
			{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"post_processor": object{"type": "ByteLevel"},
		"decoder":        object{"type": "ByteLevel"},
		"model":          object{"type": "BPE", "vocab": vocab, "merges": merges},
	}
}

func parseObject(tb testing.TB, file object, config string) (*Tokenizer, error) {
	tb.Helper()
	data, err := json.Marshal(file)
	if err != nil {
		tb.Fatal(err)
	}
	if config == "" {
		return ParseHF(data, nil)
	}
	return ParseHF(data, []byte(config))
}

func smallTokenizer(tb testing.TB, file object) *Tokenizer {
	tb.Helper()
	tok, err := parseObject(tb, file, "")
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

// at returns the object at a path of keys.
func at(o object, path ...string) object {
	for _, key := range path {
		o = o[key].(object)
	}
	return o
}

// TestParseHFRefuses: what is not supported is an error that names the field.
func TestParseHFRefuses(t *testing.T) {
	split := func(f object) []object { return at(f, "pre_tokenizer")["pretokenizers"].([]object) }
	for _, test := range []struct {
		name   string
		change func(object)
		want   string
	}{
		{"version", func(f object) { f["version"] = "2.0" }, `version: not supported: "2.0"`},
		{"model type", func(f object) { at(f, "model")["type"] = "Unigram" }, `model.type: not supported: "Unigram"`},
		{"Unigram", func(f object) { f["model"] = object{"vocab": [][]any{{"a", -1.5}}} }, "model.type: not supported: a model without a type"},
		{"no merges", func(f object) { delete(at(f, "model"), "merges") }, "vocab or merges is missing"},
		{"dropout", func(f object) { at(f, "model")["dropout"] = 0.1 }, "model.dropout: not supported"},
		{"dropout that is a text", func(f object) { at(f, "model")["dropout"] = "0.1" }, "model.dropout: not supported"},
		{"prefix", func(f object) { at(f, "model")["continuing_subword_prefix"] = "##" }, "model.merges: the merge 4"},
		{"no vocabulary", func(f object) { at(f, "model")["vocab"] = object{} }, "model.vocab: is empty"},
		{"huge id", func(f object) { at(f, "model", "vocab")["zz"] = 1 << 30 }, "model.vocab: id 1073741824"},
		{"negative id", func(f object) { at(f, "model", "vocab")["zz"] = -1 }, `model.vocab: token "zz"`},
		{"double id", func(f object) { at(f, "model", "vocab")["zz"] = 65 }, "model.vocab: id 65 is there twice"},
		{"null for an id", func(f object) { at(f, "model", "vocab")["zz"] = nil }, `token "zz" has the id null: a whole number was expected`},
		{"null for an id of what looks like null", func(f object) { at(f, "model", "vocab")[`":null\`] = nil }, `token "\":null\\" has the id null`},
		{"null for a token to put before texts", func(f object) {
			f["post_processor"] = object{"type": "TemplateProcessing", "single": []object{{"SpecialToken": object{"id": "<s>"}}, {"Sequence": object{"id": "A"}}},
				"special_tokens": object{"<s>": object{"ids": []any{nil}}}}
		}, "null in an array"},
		{"null for a token that BERT puts there", func(f object) {
			f["post_processor"] = object{"type": "BertProcessing", "cls": []any{"<s>", nil}, "sep": []any{"<r>", 305}}
		}, ",null] is not a token and its id"},
		{"unknown token", func(f object) {
			at(f, "model")["unk_token"] = "<unk>"
			f["decoder"] = object{"type": "Fuse"}
		}, `model.unk_token: "<unk>" is not in model.vocab`},
		{"merge of unknown", func(f object) { at(f, "model")["merges"] = []string{"q q"} }, "model.merges"},
		{"merge of three", func(f object) { at(f, "model")["merges"] = []string{"h e y"} }, `"h e y" is not a pair`},
		{"normalizer", func(f object) { f["normalizer"] = object{"type": "Precompiled"} }, `normalizer: not supported: type "Precompiled"`},
		{"normalizer in a sequence", func(f object) {
			f["normalizer"] = object{"type": "Sequence", "normalizers": []object{{"type": "NFC"}, {"type": "Nmt"}}}
		}, `normalizer: not supported: type "Nmt"`},
		{"a normalizer that grows a text", func(f object) {
			double := object{"type": "Replace", "pattern": object{"String": "a"}, "content": "aa"}
			f["normalizer"] = object{"type": "Sequence", "normalizers": slices.Repeat([]object{double}, 30)}
		}, "normalizer: not supported: components that may make a text more than 4096 times longer"},
		{"pre-tokenizers without end", func(f object) {
			f["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": slices.Repeat([]object{{"type": "Whitespace"}}, 100)}
		}, "pre_tokenizer: not supported: more than 64 components"},
		{"pre-tokenizer", func(f object) { f["pre_tokenizer"] = object{"type": "UnicodeScripts"} }, `pre_tokenizer: not supported: type "UnicodeScripts"`},
		{"metaspace", func(f object) { f["pre_tokenizer"] = object{"type": "Metaspace"} }, "pre_tokenizer: Metaspace: replacement"},
		{"metaspace scheme", func(f object) {
			f["pre_tokenizer"] = object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "sometimes"}
		}, `prepend_scheme: not supported: "sometimes"`},
		{"pattern", func(f object) { split(f)[0]["pattern"] = object{"Regex": `(a)\1`} }, `pre_tokenizer: Split: pattern: regular expression: not supported: \1`},
		{"no pattern", func(f object) { delete(split(f)[0], "pattern") }, "pre_tokenizer: Split: pattern: is missing"},
		{"behavior", func(f object) { split(f)[0]["behavior"] = "Torn" }, `pre_tokenizer: Split: behavior: not supported: "Torn"`},
		{"untyped", func(f object) { f["pre_tokenizer"] = object{"replacement": "▁"} }, "a component without a type"},
		{"post-processor", func(f object) { f["post_processor"] = object{"type": "Padding"} }, `post_processor: not supported: type "Padding"`},
		{"decoder", func(f object) { f["decoder"] = object{"type": "WordPiece"} }, `decoder: not supported: type "WordPiece"`},
		{"a token to put before texts that is none", func(f object) {
			f["post_processor"] = object{"type": "BertProcessing", "cls": []any{"<s>", 300}, "sep": []any{"<r>", 999}}
		}, "tokenizer.json: post-processor token id 999 is not in the vocabulary of 307"},
		{"added over another", func(f object) { f["added_tokens"] = []object{{"id": 65, "content": "<x>"}} }, `"<x>" has the id 65, which is another token`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := smallFile()
			test.change(file)
			_, err := parseObject(t, file, "")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
	for _, data := range []string{"", "{", "[]", "null", "{}", `{"model":{"merges":[1]}}`} {
		if _, err := ParseHF([]byte(data), nil); err == nil {
			t.Errorf("ParseHF(%q) gives no error", data)
		}
	}
}

func TestMergesAsStrings(t *testing.T) {
	file := smallFile()
	at(file, "model")["merges"] = []string{"h e", "l l", "he ll", "hell o"}
	if got, want := smallTokenizer(t, file).Encode("hello", false), []int32{259}; !slices.Equal(got, want) {
		t.Errorf("Encode = %v, want %v", got, want)
	}
}

func TestIgnoreMerges(t *testing.T) {
	file := smallFile()
	at(file, "model", "vocab")["xyz"] = 262 // no merges lead there
	for ignore, want := range map[bool][]int32{false: bytesOf("xyz"), true: {262}} {
		at(file, "model")["ignore_merges"] = ignore
		if got := smallTokenizer(t, file).Encode("xyz", false); !slices.Equal(got, want) {
			t.Errorf("ignore_merges %v: %v, want %v", ignore, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		config        string
		bos, eos, pad int32
		addBOS        bool
	}{
		{`{}`, -1, -1, -1, false},
		{`{"bos_token":"<s>","eos_token":{"content":"<think>"},"pad_token":null,"add_bos_token":true}`, 300, 301, -1, true},
		{`{"bos_token":"<nowhere>","eos_token":"hello","add_bos_token":true}`, -1, 259, -1, false},
		{`{"pad_token":"<pad>","added_tokens_decoder":{"400":{"content":"<pad>","special":true}}}`, -1, -1, 400, false},
	} {
		tok, err := parseObject(t, smallFile(), test.config)
		if err != nil {
			t.Errorf("%s: %v", test.config, err)
			continue
		}
		if tok.bos != test.bos || tok.eos != test.eos || tok.pad != test.pad || tok.AddBOS() != test.addBOS {
			t.Errorf("%s: bos %d eos %d pad %d, add BOS %v", test.config, tok.bos, tok.eos, tok.pad, tok.AddBOS())
		}
	}
	for _, config := range []string{`[]`, `{"added_tokens_decoder":{"x":{}}}`} {
		if _, err := parseObject(t, smallFile(), config); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json") {
			t.Errorf("%s: error %v", config, err)
		}
	}
}

// TestAddedTokensDecoder: what tokenizer.json says counts. Tokens that
// tokenizer_config.json alone lists are added, under ids that are free.
func TestAddedTokensDecoder(t *testing.T) {
	for _, test := range []struct {
		config, text string
		want         []int32
	}{
		{`{"added_tokens_decoder":{"400":{"content":"<new>"}}}`, "<new>", []int32{400}},
		{`{"added_tokens_decoder":{"9":{"content":"<s>"}}}`, "<s>", []int32{300}},
		{`{"added_tokens_decoder":{"301":{"content":"<former>"}}}`, "<former><think>", []int32{307, 301}},
		{`{"added_tokens_decoder":{"65":{"content":"<a>"},"66":{"content":"<b>"},"308":{"content":"<c>"}}}`, "<a><b><c>", []int32{307, 308, 309}},
		{`{"added_tokens_decoder":{"400":{"content":"hello"}}}`, "hello", []int32{259}},
		{`{"added_tokens_decoder":{"400":{"content":" hello"}}}`, " hello", []int32{400}},
		{`{"added_tokens_decoder":{"400":{"content":""}}}`, "<s>", []int32{300}},
	} {
		tok, err := parseObject(t, smallFile(), test.config)
		if err != nil {
			t.Errorf("%s: %v", test.config, err)
			continue
		}
		if got := tok.Encode(test.text, true); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q is %v, want %v", test.config, test.text, got, test.want)
		}
	}
}

// TestTemplateProcessing: the post-processor of Llama 3 says what BOS is.
func TestTemplateProcessing(t *testing.T) {
	file := smallFile()
	file["post_processor"] = object{"type": "Sequence", "processors": []object{
		{"type": "ByteLevel"},
		{"type": "TemplateProcessing", "single": []object{
			{"SpecialToken": object{"id": "<s>"}}, {"Sequence": object{"id": "A"}},
		}, "special_tokens": object{"<s>": object{"ids": []int{300}}}},
	}}
	tok := smallTokenizer(t, file)
	if id, ok := tok.BOS(); id != 300 || !ok || !tok.AddBOS() {
		t.Errorf("BOS = %d, %v; add %v", id, ok, tok.AddBOS())
	}
	// Tokens may follow the text, or be those of BERT.
	a, b := object{"Sequence": object{"id": "A"}}, object{"SpecialToken": object{"id": "<s>"}}
	special := object{"<s>": object{"ids": []int{300, 301}}}
	for _, test := range []struct {
		processor object
		want      []int32
		err       string
	}{
		{object{"type": "TemplateProcessing", "single": []object{b, a, b}, "special_tokens": special}, []int32{300, 301, 'a', 300, 301}, ""},
		{object{"type": "RobertaProcessing", "cls": []any{"<s>", 300}, "sep": []any{"</s>", 302}}, []int32{300, 'a', 302}, ""},
		{object{"type": "TemplateProcessing", "single": []object{a, a}}, nil, "more than one text"},
		{object{"type": "TemplateProcessing", "single": []object{b}, "special_tokens": special}, nil, "without the text"},
		{object{"type": "TemplateProcessing", "single": []object{b, a}}, nil, `"<s>" is not in special_tokens`},
		{object{"type": "BertProcessing"}, nil, "without cls and sep"},
	} {
		file["post_processor"] = test.processor
		tok, err := parseObject(t, file, "")
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v: error %v, want %q in it", test.processor, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", test.processor, err)
			continue
		}
		if got := tok.EncodeOptions("a", EncodeOptions{AddSpecial: true}); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.processor, got, test.want)
		}
	}
}
