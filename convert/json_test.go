package convert

import (
	"encoding/json"
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
		strict, err := strictJSON(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error %q", err)
			}
			return
		}
		again, err := strictJSON(strict)
		if !json.Valid(strict) || err != nil || string(again) != string(strict) {
			t.Errorf("%q became %q and %q, %v", text, strict, again, err)
		}
		q := parseQuantization(strict)
		_ = q.String()
		_, _ = parseGeneration(strict, strict)
		_, _ = ParseConfig(text)
	})
}

// FuzzQuantization: whatever quantization_config says, blocks have rows and columns.
func FuzzQuantization(f *testing.F) {
	f.Add([]byte(`{"quant_method":"gptq","bits":4}`))
	f.Add([]byte(`{"quant_method":"fp8","weight_block_size":[128,0]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		q := parseQuantization([]byte(`{"text_config":{"quantization_config":` + string(text) + `}}`))
		if b := q.block(); b[0] < 1 || b[1] < 1 {
			t.Errorf("blocks are %v", b)
		}
		_ = q.String()
	})
}
