package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// A request says how many tokens are guessed; its text does not depend on it.
func TestLookup(t *testing.T) {
	c := start(t, Options{Lookup: 6})
	ids := strings.TrimSuffix(strings.Repeat("300, 5, 301, 6, 302, ", 6), ", ")
	body := func(more string) string {
		return fmt.Sprintf(`{"prompt": [%s], "max_tokens": 30, "ignore_eos": true, "temperature": 0, "cache_prompt": false%s}`, ids, more)
	}
	drafted := func() string {
		text, err := io.ReadAll(c.request(t, "/metrics", "").Body)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "st_drafted_tokens_total ")
		n, _, _ := strings.Cut(after, "\n")
		return n
	}
	off := get[completion](t, c, "/v1/completions", body(`, "lookup": "off"`))
	if n := drafted(); n != "0" {
		t.Errorf("off, but %s tokens were guessed", n)
	}
	last := "0"
	for _, more := range []string{"", `, "lookup": "auto"`, `, "lookup": 3`, `, "lookup": "15"`, `, "speculative.n_max": 40`} {
		if got := get[completion](t, c, "/v1/completions", body(more)); got.Choices[0].Text != off.Choices[0].Text {
			t.Errorf("%q: the text is %q, want %q", more, got.Choices[0].Text, off.Choices[0].Text)
		}
		n := drafted()
		if n == last {
			t.Errorf("%q: nothing was guessed", more)
		}
		last = n
	}
	get[completion](t, c, "/v1/completions", body(`, "speculative.n_max": 0`))
	if n := drafted(); n != last {
		t.Error("n_max is 0, but tokens were guessed")
	}
	for field, value := range map[string]string{"lookup": "16", "speculative.n_max": "-2"} {
		if status, e := getError(t, c, "/v1/completions", body(fmt.Sprintf(`, %q: %s`, field, value))); status != 400 || e.Error.Param == nil || *e.Error.Param != field {
			t.Errorf("%s %s: status %d, %+v", field, value, status, e)
		}
	}
}
