package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/runtime"
)

// A prompt that is kept is run once.
func TestPromptCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prompt.seq")
	const prompt = "The LORD is my shepherd; I shall not want."
	ask := func(prompt string) generateReport {
		t.Helper()
		return mustJSON[generateReport](t, "generate", tiny(t), "-p", prompt, "--json", "-n", "8", "--temp", "0", "--prompt-cache", path)
	}
	first := ask(prompt)
	kept, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if again := ask(prompt); again.PromptTokens != 1 || first.PromptTokens < 8 {
		t.Errorf("%d tokens of the prompt were run, and then %d", first.PromptTokens, again.PromptTokens)
	}
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(kept.ModTime()) {
		t.Errorf("a prompt that is kept was written again: %v", err)
	}
	longer := ask(prompt + " He maketh me")
	if longer.PromptTokens >= first.PromptTokens {
		t.Errorf("of a longer prompt %d tokens were run", longer.PromptTokens)
	}
	if info, err := os.Stat(path); err != nil || info.Size() <= kept.Size() {
		t.Errorf("the longer prompt was not kept: %v", err)
	}
	// One that is no part of what is kept replaces it, and that is said.
	for _, tt := range []struct{ prompt, want string }{
		{prompt + " He maketh me", ""},
		{prompt + " He maketh us lie down", path + " was replaced: it had "},
		{"Nothing of that", path + " was replaced: it had "},
		{"Nothing of that is kept", ""},
	} {
		o := st("generate", tiny(t), "-p", tt.prompt, "-n", "2", "--temp", "0", "--prompt-cache", path)
		if o.code != exitOK || strings.Contains(o.stderr, "was replaced") != (tt.want != "") || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%q: %+v, want %q", tt.prompt, o, tt.want)
		}
	}
	// One of a single token is kept, too.
	if path += ".short"; ask("T").PromptTokens != 1 {
		t.Error("T is not one token")
	}
	kept, err = os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	ask("T")
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(kept.ModTime()) {
		t.Errorf("a prompt of one token that is kept was written again: %v", err)
	}
}

// What has run of a prompt that is interrupted is kept, and the next run goes on from there. Another prompt that is kept stays.
func TestPromptCacheInterrupted(t *testing.T) {
	a, _, stderr := testApp()
	m := newConversation(t, a, 0, 0).model
	path := filepath.Join(t.TempDir(), "prompt.seq")
	// run runs a prompt until so many tokens of it have run, and returns how many of it the file had.
	run := func(prompt []int32, until int) (cached int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := runtime.Generate{MaxTokens: -1, Progress: func(done, _ int) {
			if done >= until {
				cancel()
			}
		}}
		q, done, err := a.promptCache(ctx, m, path, prompt, &g)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range q.Generate(ctx, prompt, g) {
			cached = piece.Done.CachedTokens
		}
		if err := done(); err != nil {
			t.Error(err)
		}
		return cached
	}
	first := slices.Repeat([]int32{10, 11, 12, 13, 14, 15, 16}, 100)
	other := slices.Repeat([]int32{20, 21, 22}, 300)
	const never = 1 << 20
	for _, tt := range []struct {
		name   string
		prompt []int32
		until  int
		cached int // tokens of the prompt that the file had
		kept   int // tokens that it has afterwards
		note   string
	}{
		{"interrupted before anything has run", first, 0, 0, 0, ""},
		{"interrupted", first, 1, 0, 512, "note: " + path + " keeps the first 512 of the prompt's 700 tokens: the same command goes on from there\n"},
		{"interrupted again, with nothing new", first, 0, 512, 512, ""},
		{"the same command", first, never, 512, 700, ""},
		{"another prompt, interrupted", other, 1, 0, 700, ""},
		{"another prompt", other, never, 0, 900, "was replaced"},
	} {
		stderr.Reset()
		if cached := run(tt.prompt, tt.until); cached != tt.cached {
			t.Errorf("%s: %d tokens were cached, want %d", tt.name, cached, tt.cached)
		}
		kept := 0
		if h, err := runtime.ReadSnapshotHeader(path); err == nil {
			kept = h.Tokens
		} else if !os.IsNotExist(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if kept != tt.kept || !strings.Contains(stderr.String(), tt.note) || tt.note == "" && stderr.Len() > 0 {
			t.Errorf("%s: the file has %d tokens, want %d: %s", tt.name, kept, tt.kept, stderr)
		}
	}
}
