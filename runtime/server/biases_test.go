package server

import (
	"maps"
	"strings"
	"testing"
)

// A bias may stand in an object, as in OpenAI's API, or in a list of pairs, as llama.cpp's clients write it: an empty one says nothing.
func TestLogitBias(t *testing.T) {
	for _, tt := range []struct {
		body string
		want map[int32]float64
		err  string
	}{
		{`{"logit_bias": {"5": 1.5, "6": -100}}`, map[int32]float64{5: 1.5, 6: -100}, ""},
		{`{"logit_bias": [[5, 1.5], [6, false]]}`, map[int32]float64{5: 1.5, 6: -100}, ""},
		{`{"logit_bias": [[5.0, 1], [5, 2]]}`, map[int32]float64{5: 2}, ""},
		{`{"logit_bias": []}`, nil, ""},
		{`{"logit_bias": {}}`, nil, ""},
		{`{"logit_bias": null}`, nil, ""},
		{`{"logit_bias": [[5]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [["Hello", 1]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [[null, 1]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [[5, null]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [[5, true]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [[0.5, 1]]}`, nil, "logit_bias: it must be an object, or an array of pairs of a token's id and its bias"},
		{`{"logit_bias": [5, 1]}`, nil, "logit_bias: it must be an object, or an array of pairs"},
		{`{"logit_bias": [[5, 1000]]}`, nil, "between -100 and 100"},
		{`{"logit_bias": 5}`, nil, "logit_bias: it must be an object"},
	} {
		var o openAISampling
		err := decode([]byte(tt.body), &o, "")
		if err == nil {
			var got map[int32]float64
			if got, err = logitBias(o.LogitBias); err == nil && !maps.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", tt.body, got, tt.want)
			}
		}
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.body, err, tt.err)
		}
	}
}

// Seed -1 asks for a new one, as the clients of llama.cpp's server and Ollama have it. Other seeds are themselves.
func TestNewSeed(t *testing.T) {
	for body, want := range map[string]*uint64{`{"seed": -1}`: nil, `{}`: nil, `{"seed": 0}`: new(uint64(0)), `{"seed": 7}`: new(uint64(7)), `{"seed": -2}`: new(uint64(1<<64 - 2))} {
		var o openAISampling
		if err := decode([]byte(body), &o, ""); err != nil {
			t.Fatal(err)
		}
		if g, err := o.generate(formats{ctx: t.Context()}); err != nil || (g.Seed == nil) != (want == nil) || want != nil && *g.Seed != *want {
			t.Errorf("%s: %v, %v", body, g.Seed, err)
		}
	}
}
