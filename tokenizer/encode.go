package tokenizer

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

// EncodeOptions says how to read a text.
type EncodeOptions struct {
	// ParseSpecial makes special tokens written in the text (<|im_end|>) their
	// ids. Without, they are plain text, as text from a stranger must be.
	// Added tokens that are not special (<think>) become their ids either way.
	ParseSpecial bool

	// AddSpecial adds what the post-processor puts around a text, such as BOS.
	AddSpecial bool

	// Breaks are offsets in the text, in bytes and ascending, that no control
	// token reaches across: those within it are plain text. Guard makes them.
	Breaks []int
}

// Encode returns the tokens of text, special tokens in it parsed or not; see
// EncodeOptions. No token is added that the text does not name.
//
// Bytes that are not valid UTF-8 are read as U+FFFD, one for each maximal
// invalid sequence, as Python decodes with errors="replace".
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	return t.AppendEncode(nil, text, parseSpecial)
}

// AppendEncode appends the tokens of text to dst; see Encode.
func (t *Tokenizer) AppendEncode(dst []int32, text string, parseSpecial bool) []int32 {
	return t.AppendEncodeOptions(dst, text, EncodeOptions{ParseSpecial: parseSpecial})
}

// EncodeOptions returns the tokens of text, read as o says.
func (t *Tokenizer) EncodeOptions(text string, o EncodeOptions) []int32 {
	return t.AppendEncodeOptions(nil, text, o)
}

// AppendEncodeOptions appends the tokens of text, read as o says, to dst.
func (t *Tokenizer) AppendEncodeOptions(dst []int32, text string, o EncodeOptions) []int32 {
	if !utf8.ValidString(text) {
		text, o.Breaks = validText(text, o.Breaks)
	}
	e := t.encoders.Get().(*encoder)
	defer t.encoders.Put(e)
	if o.AddSpecial {
		dst = append(dst, t.before...)
	}
	found := func(id int32) { dst = append(dst, id) }
	plain := func(start, end int) {
		stretch, first := text[start:end], start == 0
		normalized, first := t.normalizer.applyFirst(stretch, first)
		if len(t.folded.tokens) == 0 {
			dst = e.appendPlain(dst, t, normalized, first)
			return
		}
		breaks, parseSpecial := t.normalizedBreaks(stretch, normalized, within(o.Breaks, start, end)), o.ParseSpecial
		if breaks == nil && len(within(o.Breaks, start, end)) > 0 {
			parseSpecial = false // where they lie in the normalized text cannot be told
		}
		t.folded.split(normalized, parseSpecial, breaks, func(start, end int) {
			dst = e.appendPlain(dst, t, normalized[start:end], first && start == 0)
		}, found)
	}
	t.verbatim.split(text, o.ParseSpecial, o.Breaks, plain, found)
	if o.AddSpecial {
		dst = append(dst, t.after...)
	}
	return dst
}

// validText returns text with what is not UTF-8 replaced, and where the breaks
// are in it.
func validText(text string, breaks []int) (string, []int) {
	valid := make([]byte, 0, len(text))
	moved := make([]int, 0, len(breaks))
	at := 0
	for _, b := range breaks {
		if b < at || b > len(text) {
			continue
		}
		valid, _ = appendValid(valid, text[at:b], true)
		moved = append(moved, len(valid))
		at = b
	}
	valid, _ = appendValid(valid, text[at:], true)
	return string(valid), moved
}

// within returns the breaks inside of start and end, from start.
func within(breaks []int, start, end int) []int {
	var inside []int
	for _, b := range breaks {
		if start < b && b < end {
			inside = append(inside, b-start)
		}
	}
	return inside
}

// normalizedBreaks returns where the breaks of a stretch are once it is
// normalized; nil if there are none or that cannot be told. It normalizes the
// stretch with a private mark at each, which normalizers leave alone.
func (t *Tokenizer) normalizedBreaks(stretch, normalized string, breaks []int) []int {
	if len(breaks) == 0 {
		return nil
	}
	mark := unusedMark(stretch, normalized)
	var marked strings.Builder
	at := 0
	for _, b := range breaks {
		marked.WriteString(stretch[at:b] + mark)
		at = b
	}
	marked.WriteString(stretch[at:])
	parts := strings.Split(t.normalizer.apply(marked.String()), mark)
	if len(parts) != len(breaks)+1 || strings.Join(parts, "") != normalized {
		return nil
	}
	var moved []int
	sum := 0
	for _, p := range parts[:len(parts)-1] {
		sum += len(p)
		moved = append(moved, sum)
	}
	return moved
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

// appendPlain splits text without added tokens and appends the tokens of each
// piece. first says whether it begins where the whole text does.
func (e *encoder) appendPlain(dst []int32, t *Tokenizer, text string, first bool) []int32 {
	if t.splitter == 0 {
		t.preTokenizer.run(text, first, func(piece string) { dst = e.appendCut(dst, t, piece) })
		return dst
	}
	for len(text) > 0 {
		n := t.splitter.next(text)
		dst = e.appendPiece(dst, t, text[:n])
		text = text[n:]
	}
	return dst
}

// appendCut appends the tokens of a piece part by part.
func (e *encoder) appendCut(dst []int32, t *Tokenizer, piece string) []int32 {
	for len(piece) > 0 {
		n := t.cuts.next(t, piece)
		dst = e.appendPiece(dst, t, piece[:n])
		piece = piece[n:]
	}
	return dst
}

func (e *encoder) appendPiece(dst []int32, t *Tokenizer, piece string) []int32 {
	if len(piece) == 1 && t.options.Bytes {
		return append(dst, t.byteIDs[piece[0]])
	}
	if t.options.IgnoreMerges {
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
