package jinja_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"st/tokenizer/jinja"
)

// golden is a line of testdata/*.jsonl: what Jinja2 rendered, or that it failed.
type golden struct {
	Templates map[string]string // in the first line of conversations.jsonl: source by name

	Config, Named, Template string // one of the three
	Messages                json.RawMessage
	AddGenerationPrompt     bool `json:"add_generation_prompt"`
	Tools                   json.RawMessage
	Extra                   map[string]json.RawMessage
	Want, Error             string
}

func (g *golden) variables() map[string]any {
	vars := map[string]any{
		"messages": g.Messages, "tools": g.Tools, "documents": nil, "add_generation_prompt": g.AddGenerationPrompt,
		"bos_token": "<s>", "eos_token": "</s>", "strftime_now": jinja.StrftimeNow(goldenTime),
	}
	for name, v := range g.Extra {
		vars[name] = v
	}
	return vars
}

var goldenTime = time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)

func goldens(tb testing.TB, file string) []golden {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var all []golden
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			tb.Fatalf("%s, line %d: %v", file, len(all)+1, err)
		}
		all = append(all, g)
	}
	if lines.Err() != nil {
		tb.Fatal(lines.Err())
	}
	return all
}

// TestGoldens renders what Jinja2 rendered, set up as Transformers does it.
// Where Jinja2 failed, so must we.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		all := goldens(t, file)
		templates := all[0].Templates
		passed, n := 0, 0
		for i, g := range all {
			if g.Templates != nil {
				continue
			}
			n++
			source := g.Template
			switch {
			case g.Config != "":
				source = modelTemplate(t, g.Config)
			case g.Named != "":
				source = templates[g.Named]
			}
			text := ""
			template, err := jinja.Parse(source)
			if err == nil {
				text, err = template.Render(context.Background(), g.variables())
			}
			if text != g.Want || (err != nil) != (g.Error != "") {
				t.Errorf("%s, line %d: %.300q\n got %q, %v\nwant %q, %s", file, i+1, source, text, err, g.Want, g.Error)
				continue
			}
			passed++
		}
		t.Logf("%s: %d of %d render as with Jinja2", file, passed, n)
	}
}

// modelTemplate returns the chat template of a tokenizer in the repository.
func modelTemplate(tb testing.TB, dir string) string {
	tb.Helper()
	data, err := os.ReadFile("../../testdata/" + dir + "/tokenizer_config.json")
	if err != nil {
		tb.Fatal(err)
	}
	var config struct {
		ChatTemplate string `json:"chat_template"`
	}
	if err := json.Unmarshal(data, &config); err != nil || config.ChatTemplate == "" {
		tb.Fatalf("%s has no chat template: %v", dir, err)
	}
	return config.ChatTemplate
}
