package models_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"st/runtime/models"
)

func TestParseName(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"tiny", "tiny"},
		{"tiny:latest", "tiny"},
		{"Tiiny/SmallThinker-4BA0.6B-Instruct:q4_0", "Tiiny/SmallThinker-4BA0.6B-Instruct:q4_0"},
		{"hf.co/Org/Model-GGUF:Q4_K_M", "Org/Model-GGUF:Q4_K_M"},
		{"https://huggingface.co/Org/Model", "Org/Model"},
		{"hf://Org/Model", "Org/Model"},
		{"COMMON/com10", "COMMON/com10"},
	} {
		if n, err := models.ParseName(tt.text); err != nil || n.String() != tt.want {
			t.Errorf("%q: %q, %v", tt.text, n, err)
		}
	}
	for _, text := range []string{
		"", "/", "a/", "/a", "a:", ":a", "a/b/c", "..", "../x", "x/..", "x/../y", ".x", "x/.y", "-x", "a b", "a\x00b", `a\b`, "a@b", "C:x/y", "a:b:c",
		"x.", "x..y", "con", "NUL/x", "x/Aux.v2", "x:COM1", "x.stm", "x.GGUF", "x.stm.part", "ü", strings.Repeat("a", 97),
	} {
		if n, err := models.ParseName(text); !errors.Is(err, models.ErrName) {
			t.Errorf("%q is read as %q, %v", text, n, err)
		}
	}
}

func names(t *testing.T, texts ...string) (all []models.Name) {
	t.Helper()
	for _, text := range texts {
		n, err := models.ParseName(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func TestMatch(t *testing.T) {
	all := names(t, "tiny", "Tiiny/Small-4B:q4_0", "Tiiny/Small-4B:q8_0", "Tiiny/Large", "Other/Large", "Tiiny/Large:q8_0", "Org/Only:q4_0", "ORG/twice", "org/Twice")
	for _, tt := range []struct {
		name, want string
		err        error
		also       string // part of the error
	}{
		{"tiny", "tiny", nil, ""},
		{"TINY:latest", "tiny", nil, ""},
		{"tiiny/small-4b:Q8_0", "Tiiny/Small-4B:q8_0", nil, ""},
		{"small-4b:q4_0", "Tiiny/Small-4B:q4_0", nil, ""},
		{"Small-4B", "", models.ErrAmbiguous, "Tiiny/Small-4B:q4_0, Tiiny/Small-4B:q8_0"},
		{"Tiiny/Large", "Tiiny/Large", nil, ""},
		{"Large", "", models.ErrAmbiguous, "Tiiny/Large, Other/Large"},
		{"large:q8_0", "Tiiny/Large:q8_0", nil, ""},
		{"only", "Org/Only:q4_0", nil, ""},
		{"only:latest", "Org/Only:q4_0", nil, ""},
		{"only:q8_0", "", models.ErrNotFound, "near it: Org/Only:q4_0"},
		{"org/tiny", "", models.ErrNotFound, "near it: tiny"},
		{"ORG/twice", "ORG/twice", nil, ""},
		{"Org/twice", "", models.ErrAmbiguous, "ORG/twice, org/Twice"},
		{"tinny", "", models.ErrNotFound, "near it: tiny"},
		{"smal-4b", "", models.ErrNotFound, "near it: Tiiny/Small-4B:q4_0, Tiiny/Small-4B:q8_0"},
		{"Llama-3.1-70B", "", models.ErrNotFound, `there is no model "Llama-3.1-70B"`},
		{"../tiny", "", models.ErrName, ""},
	} {
		i, err := models.Match(tt.name, all)
		switch {
		case !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.also):
			t.Errorf("%q: %v, want %v with %q", tt.name, err, tt.err, tt.also)
		case err == nil && all[i].String() != tt.want:
			t.Errorf("%q means %s, want %s", tt.name, all[i], tt.want)
		}
	}
	if _, err := models.Match("Llama-3.1-70B", all); strings.Contains(err.Error(), "near") {
		t.Errorf("what is not similar is called near: %v", err)
	}
}

// What is a name stays one, and leads to no file outside of the store.
func FuzzParseName(f *testing.F) {
	for _, text := range []string{"tiny", "Org/Model:q4_0", "hf.co/Org/Model:latest", "hf.co/hf.co/x", "../x", "a@b", "con/x", "x.stm", "a\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := models.ParseName(text)
		if err != nil {
			if !errors.Is(err, models.ErrName) {
				t.Error(err)
			}
			return
		}
		if again, err := models.ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q is %q, which is %q, %v", text, n, again, err)
		}
		s, err := models.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		path, err := s.Path(n)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.NameOf(path); ok || got != (models.Name{}) { // nothing is there yet
			t.Errorf("%q leads to %s", text, path)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.NameOf(path); !ok || got != n {
			t.Errorf("%q is kept in %s, which is called %q", text, path, got)
		}
	})
}
