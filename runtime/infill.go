package runtime

import (
	"fmt"
	"slices"

	"st/format"
	"st/tokenizer"
)

// Infill is a text with a gap, such as code around the cursor of an editor.
type Infill struct {
	Prefix, Suffix string // what stands before the gap and after it
	// Repository, if not empty, and File name the repository and the file that the text is of. Only models whose vocabulary has tokens for it are told.
	Repository, File string
	// Files are other texts for the model to know of, such as parts of files of the same project.
	Files []InfillFile
}

// InfillFile is a text beside one with a gap.
type InfillFile struct{ Name, Text string }

// infillSeparator stands before each of Infill.Files where the vocabulary has no token for it: llama.cpp's.
const infillSeparator = "\n\n--- snippet ---\n\n"

// Infills reports whether the vocabulary of a file has the tokens that [Model.InfillPrompt] needs.
func Infills(r *format.Reader) bool {
	if len(r.Tokenizer) == 0 {
		return false
	}
	tok, err := tokenizer.Load(r.Tokenizer)
	return err == nil && findInfill(tok, r.Config.Vocab) != nil
}

// findInfill returns the tokens with which gaps are filled; nil if a model with so many tokens has none.
func findInfill(tok *tokenizer.Tokenizer, vocab int) *tokenizer.InfillTokens {
	if tok == nil {
		return nil
	}
	t := tok.Infill()
	if t == nil || int(slices.Max(t.Ends)) >= vocab {
		return nil
	}
	return t
}

// InfillPrompt returns a prompt after which the model writes what fills a gap: for [Model.GenerateTokens] or [Sequence.Generate]. Names of special tokens
// in the texts are text. The order is: files, prefix, suffix; so a prompt whose prefix has grown begins as the one before did.
//
// A prompt takes seven eighths of the context at most. Other files get up to half of that: the first ones are left out. After that the suffix loses its
// end, of which a quarter of the rest is kept, and the prefix its beginning.
func (m *Model) InfillPrompt(in Infill) ([]int32, error) {
	if err := m.needTokenizer(); err != nil {
		return nil, err
	}
	t := m.infill
	if t == nil {
		return nil, fmt.Errorf("%s: %w", m.file.Path(), ErrNoInfill)
	}
	var head, file []int32
	if bos, ok := m.tok.BOS(); ok && m.tok.AddBOS() {
		head = []int32{bos}
	}
	separate := func(string) []int32 { return m.tok.EncodeText(infillSeparator) }
	if in.Repository != "" && t.Repository >= 0 && t.File >= 0 {
		named := func(token int32, name string) []int32 { return append([]int32{token}, m.tok.EncodeText(name+"\n")...) }
		separate = func(name string) []int32 { return named(t.File, name) }
		head, file = append(head, named(t.Repository, in.Repository)...), separate(in.File)
	}
	room := m.Context()*7/8 - len(head) - len(file) - 3
	files := m.infillFiles(in.Files, separate, room/2)
	bytes := 16 * normalization * m.Context() // longer tokens are unusual, and what follows cuts the rest
	prefix := m.tok.EncodeText(in.Prefix[max(0, len(in.Prefix)-bytes):])
	suffix := m.tok.EncodeText(in.Suffix[:min(len(in.Suffix), bytes)])
	prefix, suffix = fitInfill(prefix, suffix, room-len(files))
	return slices.Concat(head, files, file, []int32{t.Prefix}, prefix, []int32{t.Suffix}, suffix, []int32{t.Middle}), nil
}

// infillFiles returns the last of files that together have so many tokens at most. What else is in the prompt changes nothing about that: it begins as the
// one before did.
func (m *Model) infillFiles(files []InfillFile, separate func(name string) []int32, room int) (tokens []int32) {
	for _, f := range slices.Backward(files) {
		if m.checkLength(f.Text) != nil {
			break
		}
		more := append(separate(f.Name), m.tok.EncodeText(f.Text)...)
		if room -= len(more); room < 0 {
			break
		}
		tokens = append(more, tokens...)
	}
	return tokens
}

// fitInfill shortens what stands before a gap and after it to so many tokens together. The prefix is cut in steps, so that the next one, which is longer by
// a few tokens, begins at the same place.
func fitInfill(prefix, suffix []int32, room int) (_, _ []int32) {
	room = max(0, room)
	suffix = suffix[:min(len(suffix), max(room/4, room-len(prefix)))]
	if over := len(prefix) + len(suffix) - room; over > 0 {
		step := max(1, room/8)
		prefix = prefix[min(len(prefix), (over+step-1)/step*step):]
	}
	return prefix, suffix
}

// Lasting returns how many of a prompt's first tokens one that follows it is likely to begin with: all, but with a gap those before it, since what follows
// comes after what will be typed.
func (m *Model) Lasting(prompt []int32) int {
	if m.infill == nil {
		return len(prompt)
	}
	gap := slices.Index(prompt, m.infill.Suffix)
	if gap < 0 || !slices.Contains(prompt[gap:], m.infill.Middle) {
		return len(prompt)
	}
	return gap
}

// ends returns the tokens that end a text which follows a prompt: in a gap also those that mark gaps and files.
func (m *Model) ends(prompt []int32) []int32 {
	if m.infill == nil || !slices.Contains(prompt, m.infill.Middle) {
		return m.end
	}
	return slices.Concat(m.end, m.infill.Ends)
}
