package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokenize(t *testing.T) {
	model := tiny(t)
	for _, tt := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{model, "To be<|im_end|>"}, "831 298 4095\n"},
		{"", []string{checkpoint, "To be"}, "831 298\n"},
		{"", []string{filepath.Join(checkpoint, "tokenizer.json"), "To be"}, "831 298\n"},
		{"", []string{model, ""}, "\n"},
		{"", []string{model, "", "--json"}, "[]\n"},
		{"", []string{model, "a\nb", "--json"}, "[64,198,65]\n"},
		{"To be\n", []string{model}, "831 298 198\n"},
		{"To be\n", []string{model, "-"}, "831 298 198\n"},
		{"To be\r\n\nTo", []string{model, "--json"}, "[831,298]\n[]\n[831]\n"},
		{"", []string{model, "--json"}, ""},
		{"", []string{model, "--no-special", "<|im_end|>"}, "27 91 318 62 519 91 29\n"},
		{"", []string{model, "--decode", "831, 298 [4095]"}, "To be<|im_end|>\n"},
		{"", []string{model, "--decode", "--no-special", "831 298 4095"}, "To be\n"},
		{"[831,298]\n[27]\n", []string{model, "--decode", "--json"}, "\"To be\"\n\"<\"\n"},
		{"831 298", []string{model, "--decode"}, "To be\n"},
		{"\ufeff831 298\n27", []string{model, "--decode", "--json"}, "\"To be\"\n\"<\"\n"},
	} {
		o := stIn(tt.stdin, append([]string{"tokenize"}, tt.args...)...)
		if o.code != exitOK || o.stdout != tt.want || o.stderr != "" {
			t.Errorf("st tokenize %q < %q: %+v, want %q", tt.args[1:], tt.stdin, o, tt.want)
		}
	}
}

// The reference library's ids come out for every single-line text of its vectors.
func TestTokenizeVectors(t *testing.T) {
	f, err := os.Open(filepath.Join(checkpoint, "tokenizer_vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stdin, want strings.Builder
	n := 0
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v struct {
			Text string
			IDs  []int32
		}
		// The file's writer took some characters for ends of lines: what is cut in two by that is left out, too.
		if json.Unmarshal(s.Bytes(), &v) == nil && !strings.ContainsAny(v.Text, "\r\n") {
			n++
			stdin.WriteString(v.Text + "\n")
			fmt.Fprintf(&want, "%s\n", strings.ReplaceAll(fmt.Sprint(v.IDs), " ", ","))
		}
	}
	if n < 100 {
		t.Errorf("only %d texts", n)
	}
	if got := stIn(stdin.String(), "tokenize", tiny(t), "--json"); got.stdout != want.String() {
		t.Error(cmp.Diff(strings.Split(want.String(), "\n"), strings.Split(got.stdout, "\n")))
	}
}

// A terminal does not obey what text a list of tokens has, and a pipe gets it as it is.
func TestDecodeOnTerminal(t *testing.T) {
	tok, err := openTokenizer(t.Context(), tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	const text = "\x1b[2J\x1b]52;c;x\x07 naïve\n"
	ids := strings.Trim(fmt.Sprint(tok.Encode(text, false)), "[]")
	for terminal, want := range map[bool]string{false: text + "\n", true: "^[[2J^[]52;c;x^G naïve\n\n"} {
		a, stdout, _ := testApp()
		a.outTerminal = terminal
		if err := a.tokenize(tok, ids, tokenizeFlags{decode: true}); err != nil || stdout.String() != want {
			t.Errorf("on a terminal %v: %q, %v, want %q", terminal, stdout, err, want)
		}
	}
}
