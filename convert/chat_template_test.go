package convert_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
)

// Every place in which a checkpoint may keep chat templates is looked at, the newest first.
func TestChatTemplates(t *testing.T) {
	const (
		jinja      = "chat_template.jinja"
		json       = "chat_template.json"
		config     = "tokenizer_config.json"
		additional = "additional_chat_templates/"
	)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
		note  string // part of a note; "" for no note about templates
	}{
		{"none", nil, "", ""},
		{"config", map[string]string{config: `{"chat_template": "c"}`}, "c", ""},
		{"json before config", map[string]string{config: `{"chat_template": "c"}`, json: `{"chat_template": "j"}`}, "j", ""},
		{"jinja before json", map[string]string{json: `{"chat_template": "j"}`, jinja: "x"}, "x", ""},
		{"an empty jinja is no template", map[string]string{config: `{"chat_template": "c"}`, jinja: ""}, "", ""},
		{"a list", map[string]string{config: `{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]}`}, "d", ""},
		{"a list without default", map[string]string{config: `{"chat_template": [{"name": "rag", "template": "r"}, {"name": "tool_use", "template": "t"}]}`},
			"t", `"tool_use" is used`},
		{"an object", map[string]string{config: `{"chat_template": {"tool_use": "t", "default": "d"}}`}, "d", ""},
		{"a list of texts", map[string]string{config: `{"chat_template": ["x"]}`}, "", "tokenizer_config.json: no chat template is read: field chat_template is neither"},
		{"a number", map[string]string{config: `{"chat_template": 5}`, additional + "default.jinja": "a"}, "a", "tokenizer_config.json: no chat template is read"},
		{"json that is a text", map[string]string{json: `"j"`, config: `{"chat_template": "c"}`}, "c",
			"chat_template.json: no chat template is read: it is a JSON string: an object was expected"},
		{"default before additional", map[string]string{jinja: "x", additional + "tool_use.jinja": "t"}, "x", ""},
		{"only additional", map[string]string{additional + "rag.jinja": "r", additional + "README.md": "?"}, "r", `"rag" is used`},
		{"a byte order mark", map[string]string{jinja: "\ufeffx"}, "x", ""},
		{"UTF-16", map[string]string{jinja: "\xff\xfex\x00\xe9\x00"}, "xé", ""},
		{"UTF-32", map[string]string{jinja: "\xff\xfe\x00\x00x\x00\x00\x00\xe9\x00\x00\x00"}, "xé", ""},
		{"json in UTF-16", map[string]string{json: "\xfe\xff" + "\x00{\x00\"\x00c\x00h\x00a\x00t\x00_\x00t\x00e\x00m\x00p\x00l\x00a\x00t\x00e\x00\"\x00:\x00\"\x00j\x00\"\x00}"}, "j", ""},
		{"additional in UTF-16", map[string]string{additional + "default.jinja": "\xff\xfer\x00"}, "r", ""},
		{"malformed", map[string]string{jinja: "{% if x %}"}, "{% if x %}", "line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := small().Write(dir); err != nil {
				t.Fatal(err)
			}
			for name, text := range tt.files {
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			report, r := convertTo(t, dir, convert.Options{})
			if r.ChatTemplate != tt.want {
				t.Errorf("the template is %q, want %q", r.ChatTemplate, tt.want)
			}
			notes := ""
			for _, note := range report.Notes {
				if strings.Contains(note, "template") {
					notes += note
				}
			}
			if !strings.Contains(notes, tt.note) || (notes != "") != (tt.note != "") {
				t.Errorf("notes %q, want %q in them", notes, tt.note)
			}
		})
	}
}
