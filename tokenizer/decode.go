package tokenizer

// Decode returns the text of ids. Bytes that do not make valid UTF-8 become
// U+FFFD, one for each maximal invalid sequence, as Python's
// bytes.decode(errors="replace") has it. An id without a token adds nothing;
// nor, with skipSpecial, does a special token.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var raw []byte
	for _, id := range ids {
		raw = append(raw, t.text(id, skipSpecial)...)
	}
	text, _ := appendValid(make([]byte, 0, len(raw)), raw, true)
	return string(text)
}

// text returns the bytes that id adds to a decoded text.
func (t *Tokenizer) text(id int32, skipSpecial bool) string {
	if skipSpecial && t.special[id] {
		return ""
	}
	text, _ := t.Token(id)
	return text
}

// NewDecoder returns a decoder for ids that come one by one. With
// skipSpecial, special tokens add nothing.
func (t *Tokenizer) NewDecoder(skipSpecial bool) *StreamDecoder {
	return &StreamDecoder{tokenizer: t, skipSpecial: skipSpecial}
}

// StreamDecoder decodes a growing sequence of ids. What Next and at last Flush
// return, joined, is what Decode makes of all the ids. It is not safe for
// concurrent use.
type StreamDecoder struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	pending     []byte // an incomplete UTF-8 sequence
}

// Next returns the text that is complete with id: whole characters only. The
// bytes of a character that later tokens may complete are held back.
func (d *StreamDecoder) Next(id int32) string {
	d.pending = append(d.pending, d.tokenizer.text(id, d.skipSpecial)...)
	return d.take(false)
}

// Flush returns what is held back, an incomplete character, as U+FFFD. The
// decoder is then as new.
func (d *StreamDecoder) Flush() string { return d.take(true) }

func (d *StreamDecoder) take(final bool) string {
	text, n := appendValid(nil, d.pending, final)
	d.pending = append(d.pending[:0], d.pending[n:]...)
	return string(text)
}
