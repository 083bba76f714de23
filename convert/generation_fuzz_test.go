package convert

import (
	"strings"
	"testing"
)

// FuzzGeneration: whatever generation_config.json and config.json say, what a model is generated with is in range, so that it runs.
func FuzzGeneration(f *testing.F) {
	f.Add([]byte(`{"temperature":0.7,"top_k":-1,"top_p":0,"min_p":0.05,"repetition_penalty":1.1,"do_sample":true,"eos_token_id":[1,2],"bos_token_id":0}`), []byte(`{"eos_token_id":3}`))
	f.Add([]byte(`{"temperature":-1,"top_k":null,"top_p":1.5,"min_p":-0.1,"repetition_penalty":0}`), []byte(`{"bos_token_id":-1}`))
	f.Add([]byte(`{"temperature":1e400}`), []byte(`{}`))
	f.Add([]byte(`{"eos_token_id":"<|im_end|>"}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, generation, config []byte) {
		g, err := parseGeneration(config, generation)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || !strings.Contains(err.Error(), "config.json") {
				t.Errorf("error %q", err)
			}
			return
		}
		for name, v := range map[string]struct {
			value *float64
			most  float64
		}{"temperature": {g.Temperature, 3.5e38}, "top_p": {g.TopP, 1}, "min_p": {g.MinP, 1}, "repetition_penalty": {g.RepetitionPenalty, 3.5e38}} {
			if v.value != nil && !(*v.value >= 0 && *v.value <= v.most) {
				t.Errorf("%s is %v", name, *v.value)
			}
		}
		if g.TopK != nil && *g.TopK < 0 || g.BOS != nil && *g.BOS < 0 {
			t.Errorf("top_k or bos_token_id is negative: %+v", g.Generation)
		}
	})
}
