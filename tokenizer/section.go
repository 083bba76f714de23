package tokenizer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// The binary section is specified in SECTION.md.
const (
	sectionMagic    = "STTK"
	versionFixed    = 1 // the components are numbers
	versionPipeline = 2 // the components are JSON
	headerSize      = 40

	flagIgnoreMerges = 1 << 0
	flagAddBOS       = 1 << 1

	addedSpecial    = 1 << 0
	addedNormalized = 1 << 1
	addedSingleWord = 1 << 2
	addedLStrip     = 1 << 3
	addedRStrip     = 1 << 4
)

// pipeline is what a section of version 2 says about a tokenizer besides its tokens.
type pipeline struct {
	Normalizers   []component  `json:"normalizers"`
	PreTokenizers []component  `json:"pre_tokenizers"`
	Decoders      []component  `json:"decoders"`
	Model         modelOptions `json:"model"`
	Before        []int32      `json:"before"`
	After         []int32      `json:"after"`
}

// pipeline returns the JSON of a section of version 2; nil if version 1 can
// hold the tokenizer.
func (t *Tokenizer) pipeline() []byte {
	nfc := len(t.normalizers) == 1 && t.normalizers[0].Type == "NFC"
	if t.splitter != 0 && (nfc || len(t.normalizers) == 0) && len(t.after) == 0 &&
		(len(t.before) == 0 || len(t.before) == 1 && t.before[0] == t.bos) {
		return nil
	}
	data, err := json.Marshal(pipeline{t.normalizers, t.preTokenizers, t.decoders, t.options, t.before, t.after})
	if err != nil {
		panic(err) // there is nothing in it that could fail
	}
	return data
}

// MarshalBinary returns the tokenizer as a binary section; see AppendBinary.
func (t *Tokenizer) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// AppendBinary appends the tokenizer to dst as a binary section, from which
// Load makes an equal one. The error is always nil.
func (t *Tokenizer) AppendBinary(dst []byte) ([]byte, error) {
	le := binary.LittleEndian
	size := 0
	for _, token := range t.model {
		size += len(token)
	}
	dst = append(dst, sectionMagic...)
	pipeline := t.pipeline()
	if pipeline == nil {
		dst = le.AppendUint32(dst, versionFixed)
		dst = append(dst, byte(len(t.normalizers)), byte(t.splitter),
			bit(t.options.IgnoreMerges, flagIgnoreMerges)|bit(len(t.before) > 0, flagAddBOS), 0)
	} else {
		dst = le.AppendUint32(dst, versionPipeline)
		dst = le.AppendUint32(dst, uint32(len(pipeline)))
	}
	for _, n := range []int{len(t.model), size, len(t.merges), len(t.added)} {
		dst = le.AppendUint32(dst, uint32(n))
	}
	for _, id := range []int32{t.bos, t.eos, t.pad} {
		dst = le.AppendUint32(dst, uint32(id))
	}
	dst = append(dst, pipeline...)
	for _, token := range t.model {
		dst = le.AppendUint16(dst, uint16(len(token)))
	}
	for _, token := range t.model {
		dst = append(dst, token...)
	}
	for _, m := range t.merges {
		dst = le.AppendUint32(dst, uint32(m.left))
		dst = le.AppendUint32(dst, uint32(m.right))
		dst = le.AppendUint32(dst, uint32(m.result))
	}
	for _, a := range t.added {
		dst = le.AppendUint32(dst, uint32(a.ID))
		dst = append(dst, bit(a.Special, addedSpecial)|bit(a.Normalized, addedNormalized)|
			bit(a.SingleWord, addedSingleWord)|bit(a.LStrip, addedLStrip)|bit(a.RStrip, addedRStrip), 0)
		dst = le.AppendUint16(dst, uint16(len(a.Content)))
		dst = append(dst, a.Content...)
	}
	return dst, nil
}

func bit(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

// Load returns the tokenizer in a binary section. It keeps no reference to
// data. It returns an error, and never a wrong tokenizer, if the version is
// unknown or anything in the section is out of bounds or inconsistent.
func Load(data []byte) (*Tokenizer, error) {
	s, err := parseSection(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer section: %w", err)
	}
	t, err := newTokenizer(s)
	if err != nil {
		return nil, fmt.Errorf("tokenizer section: %w", err)
	}
	return t, nil
}

var errTruncated = errors.New("is truncated")

// parseSection reads what a binary section holds. Errors are about the section: they go on with its name.
func parseSection(data []byte) (s spec, err error) {
	le := binary.LittleEndian
	if len(data) < headerSize {
		return s, errTruncated
	}
	head, rest := data[:headerSize], data[headerSize:]
	if string(head[:4]) != sectionMagic {
		return s, fmt.Errorf("begins with %q, not %q", head[:4], sectionMagic)
	}
	switch version := le.Uint32(head[4:]); version {
	case versionFixed:
		err = s.readFixed(head)
	case versionPipeline:
		rest, err = s.readPipeline(rest, le.Uint32(head[8:]))
	default:
		err = fmt.Errorf("has version %d; this program reads versions 1 and 2", version)
	}
	if err != nil {
		return s, err
	}
	tokens, size := uint64(le.Uint32(head[12:])), uint64(le.Uint32(head[16:]))
	merges, added := uint64(le.Uint32(head[20:])), uint64(le.Uint32(head[24:]))
	s.bos, s.eos, s.pad = int32(le.Uint32(head[28:])), int32(le.Uint32(head[32:])), int32(le.Uint32(head[36:]))

	// The counts are held against the bytes that are there before anything is
	// allocated.
	if tokens*2+size+merges*12+added*8 > uint64(len(rest)) {
		return s, errTruncated
	}
	lengths, rest := rest[:tokens*2], rest[tokens*2:]
	if err := s.readTokens(lengths, string(rest[:size])); err != nil {
		return s, err
	}
	rest = rest[size:]
	s.merges = make([]merge, merges)
	for i := range s.merges {
		m := rest[12*i:]
		s.merges[i] = merge{int32(le.Uint32(m)), int32(le.Uint32(m[4:])), int32(le.Uint32(m[8:]))}
	}
	return s, s.readAdded(rest[12*merges:], added)
}

// readFixed reads the components of version 1, which are in its header.
func (s *spec) readFixed(head []byte) error {
	flags := head[10]
	switch {
	case head[8] > 1:
		return fmt.Errorf("names an unknown normalizer, %d", head[8])
	case splitter(head[9]) < splitGPT2 || splitter(head[9]) > splitLlama3:
		return fmt.Errorf("names an unknown splitter, %d", head[9])
	case flags&^(flagIgnoreMerges|flagAddBOS) != 0 || head[11] != 0:
		return fmt.Errorf("has unknown flags, %#x %#x", flags, head[11])
	}
	if head[8] == 1 {
		s.normalizers = []component{{Type: "NFC"}}
	}
	s.preTokenizers = splitter(head[9]).components()
	s.decoders = []component{{Type: typeByteLevel}}
	s.options = modelOptions{Bytes: true, IgnoreMerges: flags&flagIgnoreMerges != 0}
	if bos := int32(binary.LittleEndian.Uint32(head[28:])); flags&flagAddBOS != 0 && bos >= 0 {
		s.before = []int32{bos}
	}
	return nil
}

// readPipeline reads the components of version 2, JSON of n bytes, and returns what follows them.
func (s *spec) readPipeline(b []byte, n uint32) (rest []byte, err error) {
	if uint64(n) > uint64(len(b)) {
		return nil, errTruncated
	}
	d := json.NewDecoder(bytes.NewReader(b[:n]))
	d.DisallowUnknownFields() // what this program does not know may matter
	var p pipeline
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("has components that this program cannot read: %w", err)
	}
	if d.InputOffset() != int64(n) {
		return nil, errors.New("has something after its components")
	}
	s.normalizers, s.preTokenizers, s.decoders, s.options = p.Normalizers, p.PreTokenizers, p.Decoders, p.Model
	s.before, s.after = p.Before, p.After
	return b[n:], nil
}

// readTokens cuts the text of all tokens by their lengths, a uint16 each.
func (s *spec) readTokens(lengths []byte, text string) error {
	size := len(text)
	s.model = make([]string, len(lengths)/2)
	for i := range s.model {
		n := int(binary.LittleEndian.Uint16(lengths[2*i:]))
		if n > len(text) {
			return fmt.Errorf("has token lengths that exceed their %d bytes of text", size)
		}
		s.model[i], text = text[:n], text[n:]
	}
	if len(text) > 0 {
		return fmt.Errorf("has %d bytes of text that belong to no token", len(text))
	}
	return nil
}

// readAdded reads n added tokens, which end the section.
func (s *spec) readAdded(rest []byte, n uint64) error {
	le := binary.LittleEndian
	for range n {
		if len(rest) < 8 {
			return errTruncated
		}
		id, flags, size := le.Uint32(rest), rest[4], int(le.Uint16(rest[6:]))
		if flags >= addedRStrip<<1 || rest[5] != 0 || id > math.MaxInt32 {
			return fmt.Errorf("has an added token (id %d) with unknown flags, %#x %#x", id, flags, rest[5])
		}
		if rest = rest[8:]; len(rest) < size {
			return errTruncated
		}
		s.added = append(s.added, AddedToken{
			ID: int32(id), Content: string(rest[:size]),
			Special:    flags&addedSpecial != 0,
			Normalized: flags&addedNormalized != 0,
			SingleWord: flags&addedSingleWord != 0,
			LStrip:     flags&addedLStrip != 0,
			RStrip:     flags&addedRStrip != 0,
		})
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("has %d bytes too many", len(rest))
	}
	return nil
}
