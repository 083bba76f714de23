package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// FuzzRoundTrip: text in form NFC comes back from its tokens, in one go and
// in a stream, and any other text comes back as its form NFC.
func FuzzRoundTrip(f *testing.F) {
	tok := parseModel(f, "tiny-smallthinker")
	for _, v := range readVectors(f, "qwen-tokenizer/vectors.jsonl") {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text, false)
		valid, _ := appendValid(nil, text, true)
		got := tok.Decode(ids, false)
		if want := nfc(string(valid)); got != want {
			t.Errorf("%q comes back as %q, want %q", text, got, want)
		} else if nfc(want) != want {
			t.Errorf("NFC of %q is not stable", text)
		}
		if streamed := stream(tok, ids, false); streamed != got {
			t.Errorf("%q streams as %q", got, streamed)
		}
	})
}

// FuzzLoad: a section that loads is written the same again and encodes.
func FuzzLoad(f *testing.F) {
	section, _ := smallTokenizer(f, smallFile()).MarshalBinary()
	f.Add(section)
	f.Add(section[:len(section)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Load(data)
		if err != nil {
			return
		}
		tok.Decode(tok.Encode("hello <s> wörld", true), false)
		again, _ := tok.MarshalBinary()
		reloaded, err := Load(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, _ := reloaded.MarshalBinary(); !bytes.Equal(again, third) {
			t.Error("writing and loading again changes the section")
		}
	})
}

// FuzzParseHF: what parses survives its binary section.
func FuzzParseHF(f *testing.F) {
	file, err := json.Marshal(smallFile())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, []byte(`{"eos_token": {"content": "<s>"}, "added_tokens_decoder": {"400": {"content": "x"}}}`))
	f.Add([]byte(`{"model":{"type":"BPE"}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, file, config []byte) {
		tok, err := ParseHF(file, config)
		if err != nil {
			return
		}
		section, _ := tok.MarshalBinary()
		loaded, err := Load(section)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := tok.Encode("hello <s>", true), loaded.Encode("hello <s>", true); !slices.Equal(a, b) {
			t.Errorf("parsed %v, loaded %v", a, b)
		}
	})
}

// FuzzTemplate: no template makes us panic.
func FuzzTemplate(f *testing.F) {
	f.Add(chatML)
	f.Add("{%- set a = [1, {'b': none}] -%}{{ a[-1] | tojson(indent=2) }}{# c #}{% raw %}{{{% endraw %}")
	f.Fuzz(func(t *testing.T, source string) {
		if resolved, err := resolveSpace(source); err == nil && len(resolved) > 20*len(source)+20 {
			t.Errorf("%d bytes become %d", len(source), len(resolved))
		}
		if template, err := ParseTemplate(source); err == nil && len(source) < 200 {
			_, _ = template.Render([]Message{{"user", "a"}}, TemplateOptions{})
		}
	})
}
