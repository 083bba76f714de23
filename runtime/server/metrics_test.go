package server

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/runtime"
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

// gauges returns the values of a metric by model; "" is that of the process.
func gauges(t *testing.T, c *client, name string) map[string]float64 {
	t.Helper()
	text, err := io.ReadAll(c.request(t, "/metrics", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		var v float64
		rest, ok := strings.CutPrefix(line, name)
		labels, value, found := strings.Cut(rest, " ")
		if _, err := fmt.Sscan(value, &v); !ok || !found || err != nil || labels != "" && labels[0] != '{' {
			continue
		}
		_, model, _ := strings.Cut(labels, `model="`)
		model, _, _ = strings.Cut(model, `"`)
		values[model] = v
	}
	return values
}

// What models share and what they have in common is never more than the memory of the process, also while they are loaded and unloaded. What they have in
// common is counted once, so that four small models stay where there is room for what is their own.
func TestSharesInMetrics(t *testing.T) {
	data, err := os.ReadFile(modelPath)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{modelPath, otherPath}
	for _, name := range []string{"third", "fourth"} {
		path := filepath.Join(t.TempDir(), name+".stm")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	var c *client
	check := func(*runtime.Model) {
		all := gauges(t, c, "st_memory_common_bytes")[""]
		for _, n := range gauges(t, c, "st_memory_share_bytes") {
			all += n
		}
		if limit := gauges(t, c, "st_memory_limit_bytes")[""]; limit == 0 || all > limit {
			t.Errorf("all shares and what is common are %.0f bytes of %.0f", all, limit)
		}
	}
	c = start(t, Options{Models: files, Memory: 1 << 40, KeepAlive: -1, Loaded: check})
	m := c.models
	total := m.common() + 1<<20
	for _, sv := range m.served {
		total += sv.Smallest
	}
	m.setTotal(total)
	ask := func(rounds int) {
		for i := range rounds * len(files) {
			get[completion](t, c, "/v1/completions", fmt.Sprintf(`{"model": %q, "prompt": "Once", "max_tokens": 3}`, m.served[i%len(files)].Name))
			check(nil)
		}
	}
	ask(3)
	for name, n := range gauges(t, c, "st_model_loads_total") {
		if n != 1 {
			t.Errorf("%s was loaded %.0f times", name, n)
		}
	}
	for _, sv := range m.served {
		b := sv.model.Engine().Budget()
		own := b.Other - m.program + b.Dense + b.Working + b.KV + b.SmallestExperts
		if most := own + own/50 + m.common()/50; sv.Smallest > most || sv.least > most {
			t.Errorf("%s counts %d and %d bytes as its own; it takes %d", sv.Name, sv.Smallest, sv.least, own)
		}
	}
	for _, sv := range m.served {
		m.retire(sv)
	}
	m.until(func() bool { return len(m.sharers(nil)) == 0 })
	m.setTotal(total - m.served[0].Smallest) // not all of them have room
	ask(2)
}
