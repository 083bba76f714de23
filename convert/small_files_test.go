package convert_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/format"
)

// TestPythonJSON: config files are read as Python's json module reads them.
func TestPythonJSON(t *testing.T) {
	const more = `"x":NaN,"y":[-Infinity,{"z":Infinity}],"text":"NaN \" Infinity","n":123456789012345678901234567890,"s":"\ud800","vocab_size":7,`
	utf16 := func(text string) string {
		out := []byte{0xff, 0xfe}
		for _, c := range []byte(text) {
			out = append(out, c, 0)
		}
		return string(out)
	}
	base := t.TempDir()
	ok(t, small().WriteConfig(base))
	text, err := os.ReadFile(filepath.Join(base, "config.json"))
	ok(t, err)
	insert := func(fields string) string { return strings.Replace(string(text), "{", "{"+fields, 1) }
	for _, tt := range []struct{ name, file, text, want string }{
		{"numbers of Python, equal keys", "config.json", insert(more), ""}, // the last vocab_size is that of the model
		{"byte order mark", "config.json", "\ufeff" + string(text), ""},
		{"UTF-16", "config.json", utf16(string(text)), ""},
		{"generation_config.json", "generation_config.json", `{"x":NaN,"eos_token_id":3,"top_k":5,"top_k":7}`, ""},
		{"tokenizer_config.json", "tokenizer_config.json", `{"model_max_length":Infinity,"chat_template":"a"}`, ""},
		{"NaN that counts", "config.json", insert(`"x":1,`)[:len(text)+6-1] + `,"rms_norm_eps":NaN}`, "field rms_norm_eps is NaN: a number was expected"},
		{"not UTF-8", "config.json", "{\"a\":\"\xff\"}", "config.json: it is not a text: it holds bytes that are not UTF-8: save it as UTF-8"},
		{"NaN in a word", "config.json", `{"a":NaNa}`, "not valid JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ok(t, small().Write(dir))
			write(t, tt.text, dir, tt.file)
			_, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "m.stm"), convert.Options{})
			if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

// TestGenerationConfig: end tokens are those of all files, and defaults that no sampler takes do not keep a model from running.
func TestGenerationConfig(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		eos        []int32
		check      func(g *format.Generation) bool
		note       string
	}{
		{"ends of both", `{"eos_token_id":[5,2,5]}`, []int32{5, 2, 1}, nil, ""}, // config.json has 1 and 2
		{"null", `{"eos_token_id":null,"temperature":null,"top_k":null}`, []int32{1, 2}, func(g *format.Generation) bool { return g.Temperature == nil && g.TopK == nil }, ""},
		{"null in a list", `{"eos_token_id":[5,null],"bos_token_id":[null,3]}`, []int32{5, 1, 2}, func(g *format.Generation) bool { return *g.BOS == 3 }, ""},
		{"none", `{"eos_token_id":-1,"bos_token_id":-1}`, []int32{1, 2}, func(g *format.Generation) bool { return *g.BOS == 1 }, ""},
		{"top_k off", `{"top_k":-1}`, []int32{1, 2}, func(g *format.Generation) bool { return *g.TopK == 0 }, ""},
		{"top_k out of range", `{"top_k":99999999999}`, []int32{1, 2}, func(g *format.Generation) bool { return g.TopK == nil }, "field top_k is 99999999999, which is out of range: left out"},
		{"top_k below what is off", `{"top_k":-5}`, []int32{1, 2}, func(g *format.Generation) bool { return g.TopK == nil }, "field top_k is -5, which is out of range: left out"},
		{"no number", `{"temperature":NaN,"top_p":Infinity}`, []int32{1, 2}, func(g *format.Generation) bool {
			return g.Temperature == nil && g.TopP == nil
		}, `field temperature is "NaN", which is no number: left out`},
		{"no number, but a text", `{"temperature":"0.6","top_k":"50","do_sample":1,"top_p":0.5}`, []int32{1, 2}, func(g *format.Generation) bool {
			return g.Temperature == nil && g.TopK == nil && g.DoSample == nil && *g.TopP == 0.5
		}, "field do_sample is 1, which is neither true nor false: left out\ngeneration_config.json: field temperature is \"0.6\", which is no number: left out"},
		{"top_k 50.0", `{"top_k":50.0}`, []int32{1, 2}, func(g *format.Generation) bool { return *g.TopK == 50 }, ""},
		{"top_k 50.5", `{"top_k":50.5}`, []int32{1, 2}, func(g *format.Generation) bool { return g.TopK == nil }, "field top_k is 50.5, which is no whole number: left out"},
		{"a penalty of 0", `{"repetition_penalty":0}`, []int32{1, 2}, func(g *format.Generation) bool {
			return g.RepetitionPenalty == nil
		}, "field repetition_penalty is 0, which is out of range: left out"},
		{"temperature 0", `{"temperature":0.0,"do_sample":false}`, []int32{1, 2}, func(g *format.Generation) bool { return *g.Temperature == 0 }, ""},
		{"top_p out of range", `{"top_p":1.5,"min_p":-1,"repetition_penalty":1.1}`, []int32{1, 2}, func(g *format.Generation) bool {
			return g.TopP == nil && g.MinP == nil && *g.RepetitionPenalty == 1.1
		}, "field top_p is 1.5, which is out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ok(t, small().Write(dir))
			write(t, tt.text, dir, "generation_config.json")
			result, r := convertTo(t, dir, convert.Options{})
			if !slices.Equal(r.Generation.EOS, tt.eos) {
				t.Errorf("end tokens are %v, want %v", r.Generation.EOS, tt.eos)
			}
			if tt.check != nil && !tt.check(&r.Generation) {
				t.Errorf("the defaults are %+v", r.Generation)
			}
			if !strings.Contains(strings.Join(result.Notes, "\n"), tt.note) {
				t.Errorf("notes are %q", result.Notes)
			}
		})
	}
}

// TestTokenizerFiles: vocab.json and merges.txt make a tokenizer, whose end token is one more of the model's.
func TestTokenizerFiles(t *testing.T) {
	legacy := map[string]string{
		"vocab.json": `{"a":0,"b":1,"ab":2,"<|endoftext|>":3}`, "merges.txt": "#version: 0.2\na b\n",
		"tokenizer_config.json":   `{"tokenizer_class":"Qwen2Tokenizer","eos_token":"<|im_end|>","x":NaN}`,
		"added_tokens.json":       `{"<|im_end|>":4}`,
		"special_tokens_map.json": `{"eos_token":"<|im_end|>"}`,
	}
	without := func(name string) map[string]string {
		m := maps.Clone(legacy)
		delete(m, name)
		return m
	}
	cut := maps.Clone(legacy)
	cut["vocab.json"] = `{"a":0,"b":1,"ab":2,"<|endoftext|>":3,"abb":5}`
	marked := map[string]string{}
	for name, text := range legacy {
		marked[name] = "\ufeff" + text
	}
	unknown := maps.Clone(legacy)
	unknown["tokenizer_config.json"] = `{"tokenizer_class":"BartTokenizer"}`
	for _, tt := range []struct {
		name  string
		files map[string]string
		eos   []int32
		note  string
	}{
		{"both", legacy, []int32{1, 2, 4, 3}, "the tokenizer is made of vocab.json and merges.txt"},
		{"merges that are cut off", cut, []int32{1, 2, 4, 3}, `merges.txt may be cut off: tokens of vocab.json that none of its merges makes: 1, such as "abb"`},
		{"byte order marks", marked, []int32{1, 2, 4, 3}, "the tokenizer is made of vocab.json and merges.txt"},
		{"an end in special_tokens_map.json alone", map[string]string{
			"tokenizer.json":          `{"added_tokens":[{"id":4,"content":"<e>","special":true}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}`,
			"tokenizer_config.json":   `{"eos_token":null}`,
			"special_tokens_map.json": `{"eos_token":{"content":"<e>"}}`,
		}, []int32{1, 2, 4}, ""},
		{"an end in tokenizer_config.json that is no token", map[string]string{
			"tokenizer.json":          `{"added_tokens":[{"id":4,"content":"<e>","special":true}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}`,
			"tokenizer_config.json":   `{"eos_token":"</s>"}`,
			"special_tokens_map.json": `{"eos_token":"<e>"}`,
		}, []int32{1, 2, 4}, ""},
		{"a special_tokens_map.json that is not needed", map[string]string{
			"tokenizer.json":          `{"added_tokens":[{"id":4,"content":"<e>","special":true}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}`,
			"tokenizer_config.json":   `{"eos_token":"<e>"}`,
			"special_tokens_map.json": `[1`,
		}, []int32{1, 2, 4}, ""},
		{"a special_tokens_map.json that says nothing", map[string]string{
			"tokenizer.json":          `{"added_tokens":[{"id":4,"content":"<e>","special":true}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}`,
			"tokenizer_config.json":   `{"eos_token":"<e>"}`,
			"special_tokens_map.json": ``,
		}, []int32{1, 2, 4}, ""},
		{"an end in added_tokens.json alone", map[string]string{
			"tokenizer.json":          `{"added_tokens":[],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}`,
			"tokenizer_config.json":   `{"eos_token":"<e>"}`,
			"added_tokens.json":       `{"<e>":4}`,
			"special_tokens_map.json": `{}`,
		}, []int32{1, 2, 4}, ""},
		{"no merges", without("merges.txt"), []int32{1, 2}, "the checkpoint has no tokenizer.json: the model runs on token ids only, and vocab.json alone is not read; AutoTokenizer"},
		{"unknown class", unknown, []int32{1, 2}, "BartTokenizer"},
		{"SentencePiece", map[string]string{"tokenizer.model": "x"}, []int32{1, 2}, "tokenizer.model alone is not read"},
		{"nothing", nil, []int32{1, 2}, "the checkpoint has no tokenizer.json: the model runs on token ids only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ok(t, small().Write(dir))
			for name, text := range tt.files {
				write(t, text, dir, name)
			}
			result, r := convertTo(t, dir, convert.Options{})
			used := slices.ContainsFunc(r.Provenance.Sources, func(f format.SourceFile) bool { return f.Name == "special_tokens_map.json" })
			if text := tt.files["special_tokens_map.json"]; len(tt.eos) > 2 && used != strings.HasSuffix(text, "}") {
				t.Errorf("special_tokens_map.json, %q, is one of the sources: %v", text, used)
			}
			if !slices.Equal(r.Generation.EOS, tt.eos) || (len(r.Tokenizer) > 0) != (len(tt.eos) > 2) {
				t.Errorf("end tokens are %v, want %v; %d bytes of tokenizer", r.Generation.EOS, tt.eos, len(r.Tokenizer))
			}
			if !strings.Contains(strings.Join(result.Notes, "\n"), tt.note) {
				t.Errorf("notes are %q, want %q", result.Notes, tt.note)
			}
		})
	}
}
