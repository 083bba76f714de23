package tokenizer

import "strings"

// Decode returns the text of ids. Bytes that do not make valid UTF-8 become
// U+FFFD: of a byte-level vocabulary one for each maximal invalid sequence, as
// Python's bytes.decode(errors="replace") has it; of tokens such as <0x0A> one
// for each token of a run that is not valid as a whole, as the library has it.
// An id without a token adds nothing; nor, with skipSpecial, does a special
// token.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	if !t.options.Bytes {
		c := newChain(t.stages)
		for _, id := range ids {
			if text := t.text(id, skipSpecial); text != "" {
				c.token(text)
			}
		}
		c.flush()
		return c.take()
	}
	var raw []byte
	for _, id := range ids {
		raw = append(raw, t.text(id, skipSpecial)...)
	}
	text, _ := appendValid(make([]byte, 0, len(raw)), raw, true)
	return string(text)
}

// text returns the token that id adds to a decoded text.
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
	d := &StreamDecoder{tokenizer: t, skipSpecial: skipSpecial}
	if !t.options.Bytes {
		d.chain = newChain(t.stages)
	}
	return d
}

// StreamDecoder decodes a growing sequence of ids. What Next and at last Flush
// return, joined, is what Decode makes of all the ids. It is not safe for
// concurrent use.
type StreamDecoder struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	pending     []byte // an incomplete UTF-8 sequence
	chain       *chain // nil for a vocabulary of bytes
}

// Continue tells a new decoder that what it will decode goes on after a token.
// A tokenizer such as Llama 2's leaves out the space that ▁ at the beginning of
// a text stands for; within a text it is kept. After a special token or white
// space a text begins.
func (d *StreamDecoder) Continue(after int32) {
	t := d.tokenizer
	if d.chain != nil && !t.special[after] && strings.TrimSpace(t.Text(after)) != "" {
		d.chain.begin()
	}
}

// Next returns the text that is complete with id: whole characters only, and
// nothing that later tokens may change. The bytes of a character that they may
// complete are held back, as is a run of tokens such as <0x0A>, whose text is
// known at its end.
func (d *StreamDecoder) Next(id int32) string {
	text := d.tokenizer.text(id, d.skipSpecial)
	if d.chain != nil {
		if text != "" {
			d.chain.token(text)
		}
		return d.chain.take()
	}
	d.pending = append(d.pending, text...)
	return d.take(false)
}

// Flush returns what is held back, an incomplete character as U+FFFD. The
// decoder is then as new.
func (d *StreamDecoder) Flush() string {
	if d.chain != nil {
		d.chain.flush()
		return d.chain.take()
	}
	return d.take(true)
}

func (d *StreamDecoder) take(final bool) string {
	text, n := appendValid(nil, d.pending, final)
	d.pending = append(d.pending[:0], d.pending[n:]...)
	return string(text)
}
