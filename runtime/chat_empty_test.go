package runtime_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
	"st/runtime"
)

// A conversation of whose text the tokenizer drops all has no tokens: there is nothing to continue.
func TestChatWithoutTokens(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/tiny-smallthinker")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "tokenizer.json")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`{"type": "NFC"}`), []byte(`{"type": "Replace", "pattern": {"String": "x"}, "content": ""}`), 1)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r.ChatTemplate = "{{ messages[-1].content }}"
	m, err := runtime.New(t.Context(), r, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := m.NewChat()
	defer c.Close()
	if _, _, err := collect(c.Send(t.Context(), "xxx", fixed(2))); !errors.Is(err, runtime.ErrTemplateEmpty) {
		t.Errorf("error is %v, want ErrTemplateEmpty", err)
	}
	say(t, c, "a", fixed(2))
}
