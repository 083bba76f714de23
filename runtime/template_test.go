package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/quant"
	"st/runtime"
)

// withTemplate opens the trained model with another chat template; without one if it is empty.
func withTemplate(t *testing.T, template string) *runtime.Model {
	t.Helper()
	return altered(t, func(dir string) error { return ckpttest.SetTemplate(dir, template) })
}

// altered opens the trained model, converted from a checkpoint that was changed.
func altered(t *testing.T, change func(dir string) error) *runtime.Model {
	t.Helper()
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "altered.stm")
	if err := os.CopyFS(dir, os.DirFS("../testdata/tiny-smallthinker")); err != nil {
		t.Fatal(err)
	}
	if err := change(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestChatTemplates(t *testing.T) {
	for _, tt := range []struct {
		template string
		check    error // of CheckChat
		send     error
		says     string
	}{
		{"", runtime.ErrNoTemplate, runtime.ErrNoTemplate, "no chat template"},
		{"{{ raise_exception('roles must alternate') }}", nil, runtime.ErrTemplate, "roles must alternate"},
		{"{% if false %}x{% endif %}", nil, runtime.ErrTemplateEmpty, "writes nothing"},
	} {
		m := withTemplate(t, tt.template)
		if err := m.CheckChat(); !errors.Is(err, tt.check) {
			t.Errorf("%q: CheckChat: %v", tt.template, err)
		}
		c := m.NewChat()
		defer c.Close()
		_, _, err := collect(c.Send(t.Context(), "Hello", fixed(1)))
		if !errors.Is(err, tt.send) || !strings.Contains(err.Error(), m.Path()) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: Send: %v", tt.template, err)
		}
		if len(c.Messages()) != 0 {
			t.Errorf("%q: a message that was refused stays", tt.template)
		}
	}
}

// Templates see the variables of a chat.
func TestChatVariables(t *testing.T) {
	m := withTemplate(t, "{% if loud %}LOUD {% endif %}{{ messages[0].content }}")
	tokens := func(opts ...runtime.ChatOption) int {
		c := m.NewChat(opts...)
		defer c.Close()
		return say(t, c, "Hello", runtime.Generate{MaxTokens: -1}).PromptTokens
	}
	plain := tokens()
	if n := tokens(runtime.Variables(map[string]any{"loud": true})); n <= plain {
		t.Errorf("%d tokens with a variable, %d without", n, plain)
	}
}

// A model without a tokenizer runs on tokens.
func TestNoTokenizer(t *testing.T) {
	m := altered(t, func(dir string) error { return os.Remove(filepath.Join(dir, "tokenizer.json")) })
	if m.Tokenizer() != nil {
		t.Fatal("it has a tokenizer")
	}
	for name, pieces := range map[string]func(func(runtime.Piece, error) bool){
		"Generate": m.Generate(t.Context(), "x", runtime.Generate{}),
		"Send":     m.NewChat().Send(t.Context(), "x", runtime.Generate{}),
	} {
		if _, _, err := collect(pieces); !errors.Is(err, runtime.ErrNoTokenizer) || !strings.Contains(err.Error(), m.Path()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, r, err := collect(m.GenerateTokens(t.Context(), []int32{831, 298}, fixed(3)))
	if err != nil || text != "" || len(r.Tokens) != 3 {
		t.Errorf("%q, %+v, %v", text, r, err)
	}
	if err := m.Logits(t.Context(), []int32{831}, func(int, []float32) error { return nil }); err != nil {
		t.Error(err)
	}
}

// A beginning with a token that only the tokenizer has is none: its model cannot run it.
func TestBeginningsBeyondVocabulary(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "m.stm")
	shape := modeltest.Shape{Arch: "qwen3", Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, DenseFFN: 32, Vocab: 10, Context: 64}
	if err := modeltest.New(shape, 1).Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		text, err := os.ReadFile(filepath.Join("../testdata/tiny-smallthinker", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := ckpttest.SetTemplate(dir, "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}"); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all, err := m.Beginnings(t.Context())
	if err != nil || m.CheckChat() != nil {
		t.Fatal(err, m.CheckChat())
	}
	for _, tokens := range all {
		if slices.Max(tokens) >= 10 {
			t.Errorf("a beginning is %v", tokens)
		}
	}
}

// Texts begin with the token that ends the one before, and conversations with what the template writes before the first message.
func TestBeginnings(t *testing.T) {
	const template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
	for name, tt := range map[string]struct {
		template string
		want     []string
	}{
		"template":    {template, []string{"<|endoftext|>", "<|im_start|>user\n"}},
		"no template": {"", []string{"<|endoftext|>"}},
		"refuses":     {"{{ raise_exception('no') }}", []string{"<|endoftext|>"}},
		"no message":  {"<|im_start|>", []string{"<|endoftext|>"}},
	} {
		m := withTemplate(t, tt.template)
		all, err := m.Beginnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tokens := range all {
			got = append(got, m.Tokenizer().Decode(tokens, false))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
