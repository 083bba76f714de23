package tokenizer

import (
	"encoding/json"
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
		{"model type", func(f object) { at(f, "model")["type"] = "Unigram" }, `model.type: "Unigram"`},
		{"dropout", func(f object) { at(f, "model")["dropout"] = 0.1 }, "model.dropout"},
		{"prefix", func(f object) { at(f, "model")["continuing_subword_prefix"] = "##" }, "model.continuing_subword_prefix"},
		{"suffix", func(f object) { at(f, "model")["end_of_word_suffix"] = "</w>" }, "model.end_of_word_suffix"},
		{"no vocabulary", func(f object) { at(f, "model")["vocab"] = object{} }, "model.vocab: is empty"},
		{"huge id", func(f object) { at(f, "model", "vocab")["zz"] = 1 << 30 }, "model.vocab: id 1073741824"},
		{"negative id", func(f object) { at(f, "model", "vocab")["zz"] = -1 }, `model.vocab: token "zz"`},
		{"double id", func(f object) { at(f, "model", "vocab")["zz"] = 65 }, "model.vocab: id 65 is there twice"},
		{"not byte-level", func(f object) { at(f, "model", "vocab")["▁a"] = 299 }, `model.vocab: token "▁a"`},
		{"a byte missing", func(f object) { delete(at(f, "model", "vocab"), "q") }, "byte 0x71 is not in the vocabulary"},
		{"merge of unknown", func(f object) { at(f, "model")["merges"] = []string{"q q"} }, "model.merges"},
		{"merge of three", func(f object) { at(f, "model")["merges"] = []string{"h e y"} }, `"h e y" is not a pair`},
		{"normalizer", func(f object) { f["normalizer"] = object{"type": "NFKC"} }, `normalizer: type "NFKC"`},
		{"no pre-tokenizer", func(f object) { f["pre_tokenizer"] = nil }, "pre_tokenizer: is missing"},
		{"pre-tokenizer", func(f object) { f["pre_tokenizer"] = object{"type": "Metaspace"} }, "pre_tokenizer: [Metaspace]"},
		{"pattern", func(f object) { split(f)[0]["pattern"] = object{"Regex": `\w+`} }, `pre_tokenizer: pattern "\\w+"`},
		{"string pattern", func(f object) { split(f)[0]["pattern"] = object{"String": " "} }, "without a Regex"},
		{"behavior", func(f object) { split(f)[0]["behavior"] = "Removed" }, `behavior "Removed"`},
		{"prefix space", func(f object) { split(f)[1]["add_prefix_space"] = true }, "add_prefix_space"},
		{"two patterns", func(f object) { delete(split(f)[1], "use_regex") }, "use_regex"},
		{"post-processor", func(f object) { f["post_processor"] = object{"type": "BertProcessing"} }, "post_processor"},
		{"no decoder", func(f object) { f["decoder"] = nil }, "decoder: is missing"},
		{"decoder", func(f object) { f["decoder"] = object{"type": "WordPiece"} }, `decoder: type "WordPiece"`},
		{"added twice", func(f object) {
			f["added_tokens"] = []object{{"id": 300, "content": "<x>"}, {"id": 301, "content": "<x>"}}
		}, "twice"},
		{"added elsewhere", func(f object) { f["added_tokens"] = []object{{"id": 300, "content": "he"}} }, "256 in the vocabulary"},
		{"added over another", func(f object) { f["added_tokens"] = []object{{"id": 65, "content": "<x>"}} }, `"A" in the vocabulary`},
		{"added without id", func(f object) { f["added_tokens"] = []object{{"id": -5, "content": "<x>"}} }, "id -5"},
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
	for _, config := range []string{`[]`, `{"added_tokens_decoder":{"x":{}}}`, `{"added_tokens_decoder":{"9":{"content":"<s>"}}}`} {
		if _, err := parseObject(t, smallFile(), config); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json") {
			t.Errorf("%s: error %v", config, err)
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
		}},
	}}
	tok := smallTokenizer(t, file)
	if id, ok := tok.BOS(); id != 300 || !ok || !tok.AddBOS() {
		t.Errorf("BOS = %d, %v; add %v", id, ok, tok.AddBOS())
	}
	single := []object{{"Sequence": object{"id": "A"}}, {"SpecialToken": object{"id": "<s>"}}}
	file["post_processor"] = object{"type": "TemplateProcessing", "single": single}
	if _, err := parseObject(t, file, ""); err == nil {
		t.Error("a template that ends with a token is accepted")
	}
}
