package server

import (
	"io"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	c := start(t, Options{Memory: 1 << 30})
	metrics := func() string {
		text, err := io.ReadAll(c.request(t, "/metrics", "").Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if m := metrics(); !strings.Contains(m, "st_model_loaded{model=\"tiny\"} 0\n") || !strings.Contains(m, "st_generated_tokens_total 0\n") {
		t.Errorf("at first:\n%s", m)
	}
	for range 2 {
		get[completion](t, c, "/v1/completions", `{"prompt": [5, 6, 7, 8], "max_tokens": 6, "ignore_eos": true, "lookup": "off"}`)
	}
	getError(t, c, "/v1/completions", `{}`)
	m := metrics()
	for _, want := range []string{
		`st_http_requests_total{route="POST /v1/completions",status="200"} 2`, `st_http_requests_total{route="POST /v1/completions",status="400"} 1`,
		"st_prompt_tokens_total 8", "st_prompt_tokens_cached_total 3", "st_generated_tokens_total 12", "st_drafted_tokens_total 0", "st_accepted_tokens_total 0", "st_requests_active 0", "st_requests_waiting 0", "st_queue_seconds_count 2",
		"st_time_to_first_token_seconds_count 2", "st_time_per_token_seconds_count 10", `st_model_loaded{model="tiny"} 1`,
	} {
		if !strings.Contains(m, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	for _, not := range []string{`st_memory_bytes{model="tiny",purpose="kv_cache"} 0`, `st_memory_bytes{model="tiny",purpose="experts"} 0`, `st_expert_uses_total{model="tiny"} 0`} {
		if !strings.Contains(m, not[:len(not)-1]) || strings.Contains(m, not+"\n") {
			t.Errorf("%s", not)
		}
	}
	if t.Failed() {
		t.Log(m)
	}
}
