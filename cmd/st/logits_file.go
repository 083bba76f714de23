package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/zeebo/xxh3"

	"st/tokenizer"
)

// A logits file holds what a model said of a text, for others to be compared with. It is little-endian:
//
//	magic        "STLOGITS"
//	version      uint32: 1
//	vocabulary   uint32: entries
//	window       uint32: tokens in a window
//	windows      uint32: number of them
//	fingerprint  uint64: of the tokenizer's vocabulary, see fingerprint
//	tokens       int32 [windows, window], as the model was given them
//	checksum     uint64: XXH3 of all the above
//
// and then a record for every scored position, window by window: those at window/2 to window−2, each of which predicts the token
// that follows it.
//
//	codes        uint16 [vocabulary]: the logits, see softmax.go
//	nll          float64: negative log-likelihood of the token that follows, from the logits before they were coded
//	top          uint32: the token that is most likely to follow, the first one if there are several
//	checksum     uint64: XXH3 of the record's other bytes
const (
	logitsMagic   = "STLOGITS"
	logitsVersion = 1

	logitsHeadSize = 32 // what comes before the tokens
	checksumSize   = 8
)

// logitsHeader is the beginning of a logits file.
type logitsHeader struct {
	vocab       int
	fingerprint uint64
	textWindows
}

// size returns the size of the whole file.
func (h *logitsHeader) size() int64 {
	return logitsHeadSize + 4*int64(len(h.tokens)) + checksumSize + int64(h.scored())*int64(recordSize(h.vocab))
}

func (h *logitsHeader) encode() []byte {
	le := binary.LittleEndian
	b := []byte(logitsMagic)
	for _, n := range []int{logitsVersion, h.vocab, h.length, h.count()} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = le.AppendUint64(b, h.fingerprint)
	for _, id := range h.tokens {
		b = le.AppendUint32(b, uint32(id))
	}
	return le.AppendUint64(b, xxh3.Hash(b))
}

// fingerprint tells vocabularies apart that have the same size.
func fingerprint(t *tokenizer.Tokenizer) uint64 {
	h := xxh3.New()
	for id := range t.VocabSize() {
		token, _ := t.Token(int32(id))
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(token))))
		h.WriteString(token)
	}
	return h.Sum64()
}

// logitsFile is a logits file that is read from its beginning to its end.
type logitsFile struct {
	logitsHeader
	path   string
	file   *os.File
	r      *bufio.Reader
	record int // next
}

// openLogits opens a logits file and checks its header. What follows is checked as it is read.
func openLogits(path string) (*logitsFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &logitsFile{path: path, file: file, r: bufio.NewReaderSize(file, 1<<20)}
	if err := f.readHeader(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return f, nil
}

func (f *logitsFile) close() { f.file.Close() }

const saveAgain = "save it again with st eval --save-logits"

// readHeader allocates no more than the file is long.
func (f *logitsFile) readHeader() error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("cannot be read: %w", cause(err))
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file: logits are read from a file that st eval --save-logits made")
	}
	le, size := binary.LittleEndian, uint64(info.Size())
	head := make([]byte, logitsHeadSize, logitsHeadSize+checksumSize)
	if _, err := io.ReadFull(f.r, head); err != nil || string(head[:len(logitsMagic)]) != logitsMagic {
		return errors.New("holds no logits: make such a file with st eval --save-logits")
	}
	if v := le.Uint32(head[8:]); v != logitsVersion {
		return fmt.Errorf("has version %d, this program reads version %d: %s", v, logitsVersion, saveAgain)
	}
	vocab, window, count := uint64(le.Uint32(head[12:])), uint64(le.Uint32(head[16:])), uint64(le.Uint32(head[20:]))
	if vocab == 0 || window < minWindow || count == 0 {
		return fmt.Errorf("is damaged: it names %d windows of %d tokens and a vocabulary of %d: %s", count, window, vocab, saveAgain)
	}
	// Divisions, as products of what a damaged file names may overflow.
	if room := (size - logitsHeadSize) / 4; count > room/window || count*(window-1-window/2) > size/(2*vocab) {
		return fmt.Errorf("is truncated: its %d bytes are too few for %d windows of %d tokens and a vocabulary of %d: %s",
			size, count, window, vocab, saveAgain)
	}
	body := make([]byte, 4*count*window+checksumSize)
	if _, err := io.ReadFull(f.r, body); err != nil {
		return fmt.Errorf("is truncated in its tokens: %s", saveAgain)
	}
	tokens, sum := body[:len(body)-checksumSize], le.Uint64(body[len(body)-checksumSize:])
	h := xxh3.New()
	h.Write(head)
	h.Write(tokens)
	if h.Sum64() != sum {
		return fmt.Errorf("is damaged: the checksum of its header and tokens differs: %s", saveAgain)
	}
	f.vocab, f.fingerprint = int(vocab), le.Uint64(head[24:])
	f.textWindows = textWindows{tokens: make([]int32, count*window), length: int(window)}
	for i := range f.tokens {
		f.tokens[i] = int32(le.Uint32(tokens[4*i:]))
		if id := f.tokens[i]; id < 0 || int(id) >= f.vocab {
			return fmt.Errorf("is damaged: its token %d is %d, outside of its vocabulary of %d: %s", i, id, f.vocab, saveAgain)
		}
	}
	if want := f.size(); int64(size) != want {
		what := "truncated"
		if int64(size) > want {
			what = "damaged"
		}
		return fmt.Errorf("is %s: it has %d bytes and should have %d: %s", what, size, want, saveAgain)
	}
	return nil
}

// checkModel tells whether a model can be compared with the file.
func (f *logitsFile) checkModel(m *model) error {
	switch c := m.engine.Config(); {
	case c.Vocab != f.vocab:
		return fmt.Errorf("%s has logits for a vocabulary of %d, %s has one of %d: only models with the same tokens can be compared",
			f.path, f.vocab, m.reader.Path(), c.Vocab)
	case fingerprint(m.tok) != f.fingerprint:
		return fmt.Errorf("%s was made with another tokenizer than that of %s: only models with the same tokens can be compared",
			f.path, m.reader.Path())
	case m.engine.Context() < f.length:
		return fmt.Errorf("%s has windows of %d tokens, %s a context of %d: save the logits again with a smaller --ctx",
			f.path, f.length, m.reader.Path(), m.engine.Context())
	}
	return nil
}

// checkText tells whether a text, which has a name, is that of the file.
func (f *logitsFile) checkText(text textWindows, name string) error {
	for i := range min(len(text.tokens), len(f.tokens)) {
		if text.tokens[i] != f.tokens[i] {
			return fmt.Errorf("%s is not the text of %s: its token %d is %d, not %d; leave --text out to use that of the file",
				name, f.path, i, text.tokens[i], f.tokens[i])
		}
	}
	if text.length != f.length || text.count() != f.count() {
		return fmt.Errorf("%s is not the text of %s: it has %s of %d tokens, not %d of %d; leave --text out to use that of the file",
			name, f.path, plural(text.count(), "window"), text.length, f.count(), f.length)
	}
	return nil
}

// next reads the next record.
func (f *logitsFile) next(r record) error {
	f.record++
	if _, err := io.ReadFull(f.r, r); err != nil {
		return fmt.Errorf("%s: read record %d: %w", f.path, f.record, cause(err))
	}
	return nil
}

// record is what a logits file holds of one position.
type record []byte

func recordSize(vocab int) int { return 2*vocab + 12 + checksumSize }

// split returns the codes of the logits, and what follows them.
func (r record) split() (codes, rest []byte) {
	n := len(r) - 12 - checksumSize
	return r[:n], r[n:]
}

// seal completes a record whose codes are there.
func (r record) seal(nll float64, top int) {
	le := binary.LittleEndian
	_, rest := r.split()
	le.PutUint64(rest, math.Float64bits(nll))
	le.PutUint32(rest[8:], uint32(top))
	le.PutUint64(rest[12:], xxh3.Hash(r[:len(r)-checksumSize]))
}

// open returns what is in a record, and whether it is as it was sealed.
func (r record) open() (codes []byte, nll float64, top int, ok bool) {
	le := binary.LittleEndian
	codes, rest := r.split()
	nll, top = math.Float64frombits(le.Uint64(rest)), int(le.Uint32(rest[8:]))
	return codes, nll, top, le.Uint64(rest[12:]) == xxh3.Hash(r[:len(r)-checksumSize]) && finite(nll)
}
