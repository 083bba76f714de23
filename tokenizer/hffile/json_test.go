package hffile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// FuzzStrictJSON: what is returned is JSON, also for the standard's reader, and does not change once more; and nothing panics.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":NaN,"b":[-Infinity,Infinity],"a":"NaN \" Infinity"}`, "\ufeff{}", "\xff\xfe{\x00}\x00", "\xfe\xff\x00{", `"\ud800"`, `{"a":1e999}`,
		`[1,]`, `NaN`, `{"a":NaNInfinity}`, strings.Repeat("[", 20_000), `"\`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		strict, err := StrictJSON(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error %q", err)
			}
			return
		}
		again, err := StrictJSON(strict)
		if !json.Valid(strict) || err != nil || string(again) != string(strict) {
			t.Errorf("%q became %q and %q, %v", text, strict, again, err)
		}
	})
}

// TestWholeNumbers: a number that is whole is written as such, and no other number changes.
func TestWholeNumbers(t *testing.T) {
	const text = `{"a":32.0,"b":[1e6,-2.0,0.5,1e-05,3,12345678901234567890,1e300],"c":"4.0","d":{"e":1.0E1}}`
	const want = `{"a":32,"b":[1000000,-2,0.5,1e-05,3,12345678901234567890,1e300],"c":"4.0","d":{"e":10}}`
	if got, err := StrictJSON([]byte(text)); string(got) != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// TestUnmarshal: errors name the field as the file has it, and say what was expected in words that are not Go's.
func TestUnmarshal(t *testing.T) {
	type sizes struct {
		Vocab *int `json:"vocab_size"`
	}
	type config struct {
		sizes
		Eps    *float64         `json:"rms_norm_eps"`
		Tied   bool             `json:"tie_word_embeddings"`
		Layers Numbers[int]     `json:"layers"`
		Parts  map[string]sizes `json:"parts"`
		Text   *struct {
			sizes
		} `json:"text_config"`
	}
	for text, want := range map[string]string{
		`{"vocab_size": 4096, "layers": [1, 2], "parts": {"a": {}}}`: "<nil>",
		`{"vocab_size": "4096"}`:                                     "field vocab_size is a JSON string: a whole number was expected",
		`{"vocab_size": 4096.5}`:                                     "field vocab_size is a JSON number 4096.5: a whole number was expected",
		`{"vocab_size": 99999999999999999999}`:                       "field vocab_size is 99999999999999999999, which is too large a number",
		`{"rms_norm_eps": 1e999}`:                                    "field rms_norm_eps is 1e999, which is too large a number",
		`{"rms_norm_eps": "NaN"}`:                                    "field rms_norm_eps is NaN: a number was expected",
		`{"tie_word_embeddings": 1}`:                                 "field tie_word_embeddings is a JSON number: true or false was expected",
		`{"text_config": {"vocab_size": []}}`:                        "field text_config.vocab_size is a JSON array: a whole number was expected",
		`{"parts": {"a": {"vocab_size": true}}}`:                     "field parts.vocab_size is a JSON bool: a whole number was expected",
		`{"layers": [1, null]}`:                                      "field layers is a JSON null in an array: a whole number was expected",
		`{"layers": {}}`:                                             "field layers is a JSON object: an array was expected",
		`"a"`:                                                        "it is a JSON string: an object was expected",
		`{"a":`:                                                      "it is not valid JSON: unexpected end of JSON input",
	} {
		if err := Unmarshal([]byte(text), new(config)); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
