package tokenizer

import (
	"hash/maphash"
	"unicode/utf8"
)

// Encode returns the tokens of text. With parseSpecial, special tokens written
// in the text (<|im_end|>) become their ids; without, they are plain text, as
// text from a stranger must be. Added tokens that are not special (<think>)
// become their ids either way. No token is added that the text does not name.
//
// Bytes that are not valid UTF-8 are read as U+FFFD, one for each maximal
// invalid sequence, as Python decodes with errors="replace".
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	return t.AppendEncode(nil, text, parseSpecial)
}

// AppendEncode appends the tokens of text to dst; see Encode.
func (t *Tokenizer) AppendEncode(dst []int32, text string, parseSpecial bool) []int32 {
	if !utf8.ValidString(text) {
		valid, _ := appendValid(nil, text, true)
		text = string(valid)
	}
	e := t.encoders.Get().(*encoder)
	defer t.encoders.Put(e)
	found := func(id int32) { dst = append(dst, id) }
	plain := func(s string) { dst = e.appendPlain(dst, t, s) }
	t.verbatim.split(text, parseSpecial, func(s string) {
		t.folded.split(t.normalizer.apply(s), parseSpecial, plain, found)
	}, found)
	return dst
}

// encoder holds what one Encode at a time needs: the buffers of the merger and
// a cache of the pieces met before, since words repeat.
type encoder struct {
	merger merger
	seed   maphash.Seed
	cache  [cacheSize]cachedPiece
}

const (
	cacheSize      = 1 << 13
	maxCachedPiece = 32 // bytes; longer pieces seldom come again
)

type cachedPiece struct {
	text []byte
	ids  []int32
}

func newEncoder() *encoder { return &encoder{seed: maphash.MakeSeed()} }

// appendPlain splits text without added tokens and appends the tokens of each piece.
func (e *encoder) appendPlain(dst []int32, t *Tokenizer, text string) []int32 {
	for len(text) > 0 {
		n := t.splitter.next(text)
		dst = e.appendPiece(dst, t, text[:n])
		text = text[n:]
	}
	return dst
}

func (e *encoder) appendPiece(dst []int32, t *Tokenizer, piece string) []int32 {
	if len(piece) == 1 {
		return append(dst, t.byteIDs[piece[0]])
	}
	if t.ignoreMerges {
		if id, ok := t.vocab.find(t.model, piece); ok {
			return append(dst, id)
		}
	}
	if len(piece) > maxCachedPiece {
		return e.merger.appendMerged(dst, t, piece)
	}
	c := &e.cache[maphash.String(e.seed, piece)%cacheSize]
	if string(c.text) != piece {
		c.text = append(c.text[:0], piece...)
		c.ids = e.merger.appendMerged(c.ids[:0], t, piece)
	}
	return append(dst, c.ids...)
}
