package eval

import (
	"slices"

	"st/tokenizer"
)

// MinWindow is the shortest window in which something is scored, in tokens.
const MinWindow = 4

// Windows is a text cut into windows of the same length.
type Windows struct {
	Tokens []int32 // [Count, Length]
	Length int
}

// Cut cuts a text into windows; a rest is left out. A text that is shorter than a window is one window itself. The first token of every
// window is replaced by BOS if the tokenizer's texts begin with one.
func Cut(tok *tokenizer.Tokenizer, tokens []int32, length int) (Windows, error) {
	if len(tokens) < MinWindow {
		return Windows{}, errorf(ErrShortText, "the text has only %s: perplexity needs %d at least", plural(len(tokens), "token"), MinWindow)
	}
	length = min(length, len(tokens))
	w := Windows{slices.Clone(tokens[:len(tokens)/length*length]), length}
	if bos, ok := tok.BOS(); ok && tok.AddBOS() {
		for i := range w.Count() {
			w.At(i)[0] = bos
		}
	}
	return w, nil
}

// Count returns the number of windows.
func (w Windows) Count() int { return len(w.Tokens) / w.Length }

// At returns window i.
func (w Windows) At(i int) []int32 { return w.Tokens[i*w.Length:][:w.Length] }

// Scored returns the number of positions that are scored: in each window of n tokens those from n/2 to n−2.
func (w Windows) Scored() int { return w.Count() * (w.Length - 1 - w.firstScored()) }

func (w Windows) firstScored() int { return w.Length / 2 }
