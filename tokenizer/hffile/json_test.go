package hffile

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
