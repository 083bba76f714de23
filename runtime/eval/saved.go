package eval

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/zeebo/xxh3"

	"st/runtime"
	"st/tokenizer"
)

// A file of saved logits holds what a model predicted of a text, for others to be compared with. It is little-endian:
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
	Windows
}

func newHeader(m *runtime.Model, text Windows) *logitsHeader {
	return &logitsHeader{vocab: m.Config().Vocab, fingerprint: fingerprint(m.Tokenizer()), Windows: text}
}

// SavedBytes returns the size of the file that a model's logits of a text are saved in.
func SavedBytes(m *runtime.Model, text Windows) int64 { return newHeader(m, text).size() }

// size returns the size of the whole file.
func (h *logitsHeader) size() int64 {
	return logitsHeadSize + 4*int64(len(h.Tokens)) + checksumSize + int64(h.Scored())*int64(recordSize(h.vocab))
}

func (h *logitsHeader) encode() []byte {
	le := binary.LittleEndian
	b := []byte(logitsMagic)
	for _, n := range []int{logitsVersion, h.vocab, h.Length, h.Count()} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = le.AppendUint64(b, h.fingerprint)
	for _, id := range h.Tokens {
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

// Logits are saved logits, which are read from their beginning to their end: for one [Run].
type Logits struct {
	logitsHeader
	path   string
	file   *os.File
	r      *bufio.Reader
	record int // next
}

// Open opens saved logits and checks their header. What follows is checked as it is read. Close them after use.
func Open(path string) (*Logits, error) {
	// A pipe that nobody writes to would be waited for.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errorf(ErrNoLogits, "%s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &Logits{path: path, file: file, r: bufio.NewReaderSize(file, 1<<20)}
	if err := l.readHeader(); err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

// Close closes the file.
func (l *Logits) Close() error { return l.file.Close() }

// Text returns the text that the logits are of.
func (l *Logits) Text() Windows { return l.Windows }

// readHeader allocates no more than the file is long.
func (l *Logits) readHeader() error {
	info, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", l.path, err)
	}
	if !info.Mode().IsRegular() {
		return errorf(ErrNoLogits, "%s is not a regular file", l.path)
	}
	le, size := binary.LittleEndian, uint64(info.Size())
	head := make([]byte, logitsHeadSize, logitsHeadSize+checksumSize)
	if _, err := io.ReadFull(l.r, head); err != nil || string(head[:len(logitsMagic)]) != logitsMagic {
		return errorf(ErrNoLogits, "%s holds no logits", l.path)
	}
	if v := le.Uint32(head[8:]); v != logitsVersion {
		return errorf(ErrVersion, "%s has version %d, this program reads version %d", l.path, v, logitsVersion)
	}
	vocab, window, count := uint64(le.Uint32(head[12:])), uint64(le.Uint32(head[16:])), uint64(le.Uint32(head[20:]))
	if vocab == 0 || window < MinWindow || count == 0 {
		return errorf(ErrDamaged, "%s is damaged: it names %d windows of %d tokens and a vocabulary of %d", l.path, count, window, vocab)
	}
	// Divisions, as products of what a damaged file names may overflow.
	if room := (size - logitsHeadSize) / 4; count > room/window || count*(window-1-window/2) > size/(2*vocab) {
		return errorf(ErrDamaged, "%s is truncated: its %d bytes are too few for %d windows of %d tokens and a vocabulary of %d",
			l.path, size, count, window, vocab)
	}
	body := make([]byte, 4*count*window+checksumSize)
	if _, err := io.ReadFull(l.r, body); err != nil {
		return errorf(ErrDamaged, "%s is truncated in its tokens", l.path)
	}
	tokens, sum := body[:len(body)-checksumSize], le.Uint64(body[len(body)-checksumSize:])
	h := xxh3.New()
	h.Write(head)
	h.Write(tokens)
	if h.Sum64() != sum {
		return errorf(ErrDamaged, "%s is damaged: the checksum of its header and tokens differs", l.path)
	}
	l.vocab, l.fingerprint = int(vocab), le.Uint64(head[24:])
	l.Windows = Windows{make([]int32, count*window), int(window)}
	for i := range l.Tokens {
		l.Tokens[i] = int32(le.Uint32(tokens[4*i:]))
		if id := l.Tokens[i]; id < 0 || int(id) >= l.vocab {
			return errorf(ErrDamaged, "%s is damaged: its token %d is %d, outside of its vocabulary of %d", l.path, i, id, l.vocab)
		}
	}
	if want := l.size(); int64(size) != want {
		what := "truncated"
		if int64(size) > want {
			what = "damaged"
		}
		return errorf(ErrDamaged, "%s is %s: it has %d bytes and should have %d", l.path, what, size, want)
	}
	return nil
}

// CheckModel returns an error if a model cannot be compared with the logits: [ErrOtherModel] or [ErrContext].
func (l *Logits) CheckModel(m *runtime.Model) error {
	switch c := m.Config(); {
	case c.Vocab != l.vocab:
		return errorf(ErrOtherModel, "%s has logits for a vocabulary of %d, %s has one of %d: only models with the same tokens can be compared",
			l.path, l.vocab, m.Path(), c.Vocab)
	case fingerprint(m.Tokenizer()) != l.fingerprint:
		return errorf(ErrOtherModel, "%s was made with another tokenizer than that of %s: only models with the same tokens can be compared",
			l.path, m.Path())
	case m.Context() < l.Length:
		return errorf(ErrContext, "%s has windows of %d tokens, %s a context of %d", l.path, l.Length, m.Path(), m.Context())
	}
	return nil
}

// CheckText returns [ErrOtherText] if a text, which has a name, is not that of the logits.
func (l *Logits) CheckText(text Windows, name string) error {
	for i := range min(len(text.Tokens), len(l.Tokens)) {
		if text.Tokens[i] != l.Tokens[i] {
			return errorf(ErrOtherText, "%s is not the text of %s: its token %d is %d, not %d", name, l.path, i, text.Tokens[i], l.Tokens[i])
		}
	}
	if text.Length != l.Length || text.Count() != l.Count() {
		return errorf(ErrOtherText, "%s is not the text of %s: it has %s of %d tokens, not %d of %d",
			name, l.path, plural(text.Count(), "window"), text.Length, l.Count(), l.Length)
	}
	return nil
}

// next reads the next record.
func (l *Logits) next(r record) error {
	l.record++
	if _, err := io.ReadFull(l.r, r); err != nil {
		return fmt.Errorf("%s: read record %d: %w", l.path, l.record, err)
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
