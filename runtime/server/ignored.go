package server

import (
	"context"
	"encoding/json"
	"strings"
)

// sentFields are all fields of a JSON object.
type sentFields map[string]json.RawMessage

// unsupported are fields of other servers that would change the text, and that are ignored: clients send many of them with each request. A number is the
// value with which a field changes nothing.
var unsupported = []struct {
	name string
	off  float64
}{
	{"mirostat", 0}, {"dry_multiplier", 0}, {"typical_p", 1}, {"xtc_probability", 0}, {"top_n_sigma", -1}, {"dynatemp_range", 0}, {"repeat_last_n", 64},
	{"samplers", 0}, {"min_tokens", 0}, {"stop_token_ids", 0}, {"bad_words", 0}, {"guided_json", 0}, {"guided_regex", 0}, {"guided_choice", 0},
	{"guided_grammar", 0}, {"n_indent", 0},
}

// logIgnored has the log name the fields of a request that are ignored and would change the text.
func logIgnored(ctx context.Context, sent sentFields) {
	var names []string
	for _, f := range unsupported {
		if data, ok := sent[f.name]; ok && !isOff(data, f.off) {
			names = append(names, f.name)
		}
	}
	if len(names) > 0 {
		logged(ctx, "ignored", strings.Join(names, ","))
	}
}

// isOff reports whether a value changes nothing: null, false, what is empty, or that number.
func isOff(data json.RawMessage, off float64) bool {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return true
	case float64:
		return v == off
	case string:
		return v == ""
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
