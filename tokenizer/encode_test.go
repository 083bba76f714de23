package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		kind splitter
		text string
		want []string
	}{
		{splitQwen2, "Hello world!", []string{"Hello", " world", "!"}},
		{splitQwen2, "I'm don'T 'Ve it'ſ", []string{"I", "'m", " don", "'T", " '", "Ve", " it", "'ſ"}},
		{splitQwen2, "12 345", []string{"1", "2", " ", "3", "4", "5"}},
		{splitQwen2, "a  b   \n\n c \n", []string{"a", " ", " b", "   \n\n", " c", " \n"}},
		{splitQwen2, "x = (y);\r\n\r\nz", []string{"x", " =", " (", "y", ");\r\n\r\n", "z"}},
		{splitQwen2, "\tif ½²", []string{"\tif", " ", "½", "²"}},
		{splitQwen2, "e\u0301\u00a0\u3000é  ", []string{"e", "\u0301", "\u00a0", "\u3000é", "  "}},
		{splitLlama3, "12345 1", []string{"123", "45", " ", "1"}},
		{splitGPT2, "I'm don'T  12345?\n x", []string{"I", "'m", " don", "'", "T", " ", " 12345", "?", "\n", " x"}},
		{splitGPT2, " \u00a0!", []string{" ", "\u00a0", "!"}},
	} {
		var got []string
		for rest := test.text; rest != ""; {
			n := test.kind.next(rest)
			got, rest = append(got, rest[:n]), rest[n:]
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("splitter %d, %q (-want +got):\n%s", test.kind, test.text, diff)
		}
	}
}

// TestAddedTokens shows each flag of added tokens; the ids are those of smallFile.
func TestAddedTokens(t *testing.T) {
	tok := smallTokenizer(t, smallFile())
	id := func(s string) int32 { return int32(s[0]) }
	for _, test := range []struct {
		text    string
		special bool
		want    []int32
	}{
		{"<s>a", true, []int32{300, id("a")}},
		{"<s>a", false, []int32{id("<"), id("s"), id(">"), id("a")}}, // special: only on request
		{"<think>", false, []int32{301}},                             // not special: always
		{"<thinking>", false, []int32{302}},                          // the longest
		{"word words", true, append([]int32{303}, bytesOf(" words")...)},
		{"-word-", true, []int32{id("-"), 303, id("-")}},
		{"a \n<l> b", true, append([]int32{id("a"), 304}, bytesOf(" b")...)},
		{"a <r> \nb", true, []int32{id("a"), id(" "), 305, id("b")}},
		{"<r> <l>", true, []int32{305, 304}},
		{"café", true, []int32{306}},
		{"cafe\u0301", true, []int32{306}}, // found in the normalized text
	} {
		if got := tok.Encode(test.text, test.special); !slices.Equal(got, test.want) {
			t.Errorf("Encode(%q, %v) = %v, want %v", test.text, test.special, got, test.want)
		}
	}
}

// TestAddedTokensOfBytes: an added token may stand for the same bytes as one of
// the vocabulary, which writes them in other characters: " hello" is not Ġhello.
func TestAddedTokensOfBytes(t *testing.T) {
	file := smallFile()
	file["added_tokens"] = []object{{"id": 300, "content": " hello"}, {"id": 301, "content": "\n"}, {"id": 302, "content": "Ġ"}}
	parsed := smallTokenizer(t, file)
	section, _ := parsed.MarshalBinary()
	tok, err := Load(section)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{300, 'a', 301, ' ', 259}
	if got := tok.Encode(" helloa\n\u00a0hello", true); !slices.Equal(got, slices.Concat(ids[:3], bytesOf("\u00a0"), ids[4:])) {
		t.Errorf("Encode = %v", got)
	}
	if got := tok.Encode("Ġhello", true); !slices.Equal(got, []int32{' ', 259}) { // Ġ is known: it is the vocabulary's token
		t.Errorf("Encode(Ġhello) = %v", got)
	}
	if got := tok.Decode(ids, true); got != " helloa\n hello" {
		t.Errorf("Decode = %q", got)
	}
}

func bytesOf(s string) []int32 {
	var ids []int32
	for _, b := range []byte(s) {
		ids = append(ids, int32(b))
	}
	return ids
}

func TestNFC(t *testing.T) {
	marks := strings.Repeat("\u0301\u0316", 40)
	for _, test := range []struct{ name, text, want string }{
		{"composed already", "é", "é"},
		{"composes", "e\u0301", "é"},
		{"orders marks", "e\u0301\u0316", "é\u0316"},
		{"Hangul", "\u1112\u1161\u11ab", "한"},
		{"never composes", "\u0958", "\u0915\u093c"},
		{"many marks, no joiner between", "e" + marks, "é" + strings.Repeat("\u0316", 40) + strings.Repeat("\u0301", 39)},
		{"many marks, Hangul after", marks[:4*20] + "\u1112\u1161", strings.Repeat("\u0316", 20) + strings.Repeat("\u0301", 20) + "하"},
		{"a mark newer than the library blocks", "Ω\u1715\u0301", "Ω\u1715\u0301"},
	} {
		if got := nfc(test.text); got != test.want {
			t.Errorf("%s: %+q, want %+q", test.name, got, test.want)
		}
	}
}

// TestInvalidUTF8: decoding replaces what Python's errors="replace" replaces,
// at once and in a stream, and Encode reads such text the same way.
func TestInvalidUTF8(t *testing.T) {
	tok := smallTokenizer(t, smallFile())
	for _, test := range []struct{ raw, want string }{
		{"a\xffb", "a\ufffdb"},
		{"\xe4\xbd\xa0", "你"},
		{"\xe4\xbd", "\ufffd"},                           // one sequence, cut
		{"\xe4\xbdx", "\ufffdx"},                         // one sequence, broken off
		{"\xf0\x9f\xa6", "\ufffd"},                       //
		{"\xf0\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}, // overlong: no prefix of anything
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},           // a surrogate
		{"\xc3\xc3\xa9\x80", "\ufffdé\ufffd"},
		{"\xf4\x8f\xbf\xbf\xf5", "\U0010ffff\ufffd"},
	} {
		ids := bytesOf(test.raw)
		if got := tok.Decode(ids, false); got != test.want {
			t.Errorf("Decode(%q) = %q, want %q", test.raw, got, test.want)
		}
		if got := stream(tok, ids, false); got != test.want {
			t.Errorf("streamed Decode(%q) = %q, want %q", test.raw, got, test.want)
		}
		if got := tok.Decode(tok.Encode(test.raw, false), false); got != test.want {
			t.Errorf("Encode and Decode of %q = %q, want %q", test.raw, got, test.want)
		}
	}
}

// TestStreamHoldsBack: a stream gives whole characters only.
func TestStreamHoldsBack(t *testing.T) {
	tok := smallTokenizer(t, smallFile())
	d := tok.NewDecoder(true)
	var got []string
	for _, id := range append(bytesOf("a🦙\xe4"), 300, 256) { // 300 is special: skipped
		got = append(got, d.Next(id))
	}
	got = append(got, d.Next('\xc3'), d.Flush(), d.Flush())
	if diff := cmp.Diff([]string{"a", "", "", "", "🦙", "", "", "\ufffdhe", "", "\ufffd", ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestVocabulary(t *testing.T) {
	tok := qwen(t)
	if got := tok.VocabSize(); got != 151669 {
		t.Errorf("VocabSize = %d", got)
	}
	end, ok := tok.ID("<|im_end|>")
	if eos, ok2 := tok.EOS(); end != 151645 || !ok || eos != end || !ok2 {
		t.Errorf("<|im_end|> is %d, %v; EOS %d, %v", end, ok, eos, ok2)
	}
	if _, ok := tok.BOS(); ok || tok.AddBOS() {
		t.Error("Qwen has a BOS token")
	}
	if s, ok := tok.Token(220); s != " " || !ok {
		t.Errorf("Token(220) = %q, %v", s, ok)
	}
	if !tok.IsSpecial(151645) || tok.IsSpecial(151667) || len(tok.SpecialTokens()) != 14 {
		t.Errorf("special tokens: %v", tok.SpecialTokens())
	}
	// The embedding of the model has more rows than there are tokens.
	for _, id := range []int32{-1, 151669, 151935, 1 << 30} {
		if s, ok := tok.Token(id); s != "" || ok || tok.Decode([]int32{id}, false) != "" {
			t.Errorf("Token(%d) = %q, %v", id, s, ok)
		}
	}
	if got := tok.Decode([]int32{9707, 151645}, true); got != "Hello" {
		t.Errorf("Decode without special tokens = %q", got)
	}
	for id := range int32(tok.VocabSize()) {
		if s, ok := tok.Token(id); ok {
			if back, _ := tok.ID(s); back != id {
				t.Fatalf("ID(Token(%d)) = %d", id, back)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tok := parseModel(t, "tiny-smallthinker")
	text := string(readFile(t, "tiny-smallthinker/heldout.txt"))[:20000]
	want := tok.Encode(text, true)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := tok.Encode(text, true); !slices.Equal(got, want) || tok.Decode(got, false) != text {
				t.Error("differs between goroutines")
			}
		})
	}
	group.Wait()
}

// TestMergeShortAndLong holds the two ways of merging against each other.
func TestMergeShortAndLong(t *testing.T) {
	tok := qwen(t)
	var short, long merger
	for _, v := range readVectors(t, "qwen-tokenizer/vectors.jsonl") {
		if !utf8.ValidString(v.Text) {
			continue
		}
		short.ids, long.ids = short.ids[:0], long.ids[:0]
		for _, b := range []byte(v.Text) {
			short.ids, long.ids = append(short.ids, tok.byteIDs[b]), append(long.ids, tok.byteIDs[b])
		}
		short.mergeShort(&tok.pairs)
		long.mergeLong(&tok.pairs)
		if !slices.Equal(short.ids, long.ids) {
			t.Errorf("%.60q: %v scanning, %v with the heap", v.Text, short.ids, long.ids)
		}
	}
}
