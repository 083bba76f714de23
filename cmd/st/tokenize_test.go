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

// TestTokenizeNear: what is near a checkpoint has its tokenizer, and what is wrong is told once, with the file's name.
func TestTokenizeNear(t *testing.T) {
	dir := t.TempDir()
	write := writerIn(t, dir)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(checkpoint, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"
	snapshot := filepath.Join("models--a--b", "snapshots", "0123456789abcdef0123456789abcdef01234567")
	write(read("config.json"), snapshot, "config.json")
	write(read("tokenizer.json"), snapshot, "tokenizer.json")
	config := strings.Replace(read("tokenizer_config.json"), `"model_max_length": 1024`, `"model_max_length": Infinity`, 1)
	if !strings.Contains(config, "Infinity") {
		t.Fatal("tokenizer_config.json has no model_max_length")
	}
	write(read("tokenizer.json"), "python", "tokenizer.json")
	write(config, "python", "tokenizer_config.json")
	write(utf16File(read("tokenizer.json")), "python", "my-tokenizer.json")
	write(`{"a": 0, "b": 1, "ab": 2}`, "legacy", "vocab.json")
	write("#version: 0.2\na b\n", "legacy", "merges.txt")
	write(`{"model_type": "smallthinker"}`, "legacy", "config.json")
	write(pointer, "pointer", "tokenizer.json")
	write(pointer, "pointer", "m.stm")
	write("x", "sentencepiece", "tokenizer.model")
	write("[]", "list.json")
	const lfs = ": a Git LFS pointer, not the file itself"
	for _, tt := range []struct{ path, text, ids, stderr string }{
		{"models--a--b", "To be", "831 298", "note: " + filepath.Join(dir, "models--a--b") + " holds one checkpoint, " + filepath.Join(dir, snapshot)},
		{filepath.Join(snapshot, "config.json"), "To be", "831 298", ""},
		{"python", "To be", "831 298", ""},
		{"python/my-tokenizer.json", "To be", "831 298", ""},
		{"python/tokenizer_config.json", "To be", "831 298", ""},
		{"legacy", "aba", "2 0", ""},
		{"legacy/merges.txt", "aba", "2 0", ""},
		{"pointer", "", "", filepath.Join(dir, "pointer", "tokenizer.json") + lfs + ", which has 5 bytes: `git lfs pull`"},
		{"pointer/tokenizer.json", "", "", filepath.Join(dir, "pointer", "tokenizer.json") + lfs + ", which has 5 bytes: `git lfs pull`"},
		{"pointer/m.stm", "", "", filepath.Join(dir, "pointer", "m.stm") + lfs + ": `git lfs pull`"},
		{"sentencepiece", "", "", "tokenizer.model alone is not read; AutoTokenizer"},
		{"list.json", "", "", filepath.Join(dir, "list.json") + ": tokenizer.json: it is a JSON array: an object was expected"},
	} {
		o := st("tokenize", filepath.Join(dir, filepath.FromSlash(tt.path)), tt.text)
		if strings.TrimSpace(o.stdout) != tt.ids || (o.code == exitOK) != (tt.ids != "") || !strings.Contains(o.stderr, tt.stderr) || (o.stderr == "") != (tt.stderr == "") ||
			strings.Count(o.stderr, "git lfs pull") > 1 {
			t.Errorf("%s: %+v, want %q and %q", tt.path, o, tt.ids, tt.stderr)
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
	opener, _, _ := testApp()
	tok, err := opener.openTokenizer(tiny(t))
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
