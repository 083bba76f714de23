package runtime

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/zeebo/xxh3"

	"st/format/outfile"
	"st/runtime/engine"
)

// Errors about files of sequences.
var (
	// ErrSnapshotModel says that a sequence is of another model, another number format of its weights, another type of KV cache, or that experts were
	// chosen otherwise: it means nothing to this one.
	ErrSnapshotModel = errors.New("is a sequence that this model cannot go on with")
	// ErrSnapshotCorrupt says that a file is no sequence, or was damaged.
	ErrSnapshotCorrupt = errors.New("is not a sequence, or damaged")
)

// A file of a sequence is: the magic number, the length of what follows up to the checksum, JSON of SnapshotHeader, the tokens (int32,
// little-endian), the xxh3 of all that, and then the KV cache as engine.Session.Save writes it, and its xxh3.
const (
	snapshotMagic = "st-seq1\n"
	// snapshotHeaderMost bounds the JSON: the conversation of a session is in it.
	snapshotHeaderMost = 64 << 20
)

// SnapshotHeader is what a file of a sequence says of itself.
type SnapshotHeader struct {
	// Model is [Model.Fingerprint] in hexadecimal digits, and KVType the type of the cache's numbers.
	Model  string `json:"model"`
	KVType string `json:"kv_type"`
	// Tokens is how many the sequence has.
	Tokens int `json:"tokens"`
	// Note is the caller's.
	Note json.RawMessage `json:"note,omitempty"`
}

// ReadSnapshotHeader tells what a file of a sequence is, without a model that could go on with it. The error wraps [ErrSnapshotCorrupt] if it is none:
// the KV cache is not checked.
func ReadSnapshotHeader(path string) (*SnapshotHeader, error) {
	f, size, err := openSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, _, _, err := readSnapshotHead(f, size)
	return h, err
}

// Snapshot is what a file says of the sequence in it.
type Snapshot struct {
	Tokens []int32
	Note   json.RawMessage
}

// Save writes the sequence with its KV cache to a file, which [Model.LoadSequence] reads: a prompt is not run again then. The file is complete or
// not there, and an older one is replaced. note, which may be nil, is JSON of the caller's.
func (q *Sequence) Save(path string, note json.RawMessage) error {
	return q.SaveContext(context.Background(), path, note)
}

// SaveContext is Save that gives up, with the cause, when ctx ends: then no file is left, or the older one.
func (q *Sequence) SaveContext(ctx context.Context, path string, note json.RawMessage) error {
	m := q.model
	err := outfile.Write(path, outfile.Options{Replace: true}, func(w io.Writer) error {
		w = untilDone{ctx, w}
		head, err := m.snapshotHead(q.tokens, note)
		if err != nil {
			return err
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		sum := xxh3.New()
		n, err := q.session.Save(io.MultiWriter(w, sum))
		if err != nil {
			return err
		}
		if n != len(q.tokens) {
			return fmt.Errorf("the sequence has %d tokens and its KV cache %d", len(q.tokens), n)
		}
		_, err = w.Write(binary.LittleEndian.AppendUint64(nil, sum.Sum64()))
		return err
	})
	return m.named(err)
}

// untilDone is a writer that fails when ctx ends.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.w.Write(p)
}

// snapshotHead returns what a file has before the KV cache.
func (m *Model) snapshotHead(tokens []int32, note json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(m.snapshotHeader(len(tokens), note))
	if err != nil {
		return nil, err
	}
	if len(text) > snapshotHeaderMost {
		return nil, fmt.Errorf("the conversation takes %d bytes in the file, more than the %d that are read again", len(text), snapshotHeaderMost)
	}
	head := append([]byte(snapshotMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(text)))...)
	head = append(head, text...)
	for _, id := range tokens {
		head = binary.LittleEndian.AppendUint32(head, uint32(id))
	}
	return binary.LittleEndian.AppendUint64(head, xxh3.Hash(head)), nil
}

func (m *Model) snapshotHeader(tokens int, note json.RawMessage) SnapshotHeader {
	id := m.Fingerprint()
	return SnapshotHeader{Model: hex.EncodeToString(id[:]), KVType: m.KVType().String(), Tokens: tokens, Note: note}
}

// ReadSnapshot tells what is in a file of a sequence, without its KV cache. The error wraps [ErrSnapshotModel] if it is not one of this model, and
// [ErrSnapshotCorrupt] if it is none at all.
func (m *Model) ReadSnapshot(path string) (*Snapshot, error) {
	f, size, err := openSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, _, err := m.readSnapshot(f, size)
	return s, err
}

// openSnapshot opens a file of a sequence, and tells its length. Opening a pipe would wait for somebody who writes to it.
func openSnapshot(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s %w: it is no regular file", path, ErrSnapshotCorrupt)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

// LoadSequence reads a sequence with its KV cache from a file that [Sequence.Save] wrote. The errors are those of [Model.ReadSnapshot], and
// [ErrContextFull].
func (m *Model) LoadSequence(ctx context.Context, path string) (*Sequence, *Snapshot, error) {
	f, size, err := openSnapshot(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	s, r, err := m.readSnapshot(f, size)
	if err != nil {
		return nil, nil, err
	}
	if len(s.Tokens) > m.Context() {
		return nil, nil, fmt.Errorf("%s: %w: it has %d tokens and the context %d", path, ErrContextFull, len(s.Tokens), m.Context())
	}
	q, err := m.NewSequence()
	if err != nil || len(s.Tokens) == 0 {
		return q, s, err
	}
	body := summed{r, xxh3.New()}
	err = q.session.Load(ctx, s.Tokens, &body)
	if err == nil {
		err = body.check(path)
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%s %w: it ends within the KV cache", path, ErrSnapshotCorrupt)
	} else if errors.Is(err, engine.ErrNotSaved) {
		err = fmt.Errorf("%s %w: %v", path, ErrSnapshotCorrupt, err)
	}
	if err != nil {
		q.Close()
		return nil, nil, m.named(err)
	}
	q.tokens = s.Tokens
	return q, s, nil
}

// readSnapshot reads what comes before the KV cache in a file of so many bytes, and returns a reader of that.
func (m *Model) readSnapshot(f *os.File, size int64) (*Snapshot, io.Reader, error) {
	h, tokens, r, err := readSnapshotHead(f, size)
	if err != nil {
		return nil, nil, err
	}
	own := m.snapshotHeader(h.Tokens, nil)
	if h.KVType != own.KVType {
		return nil, nil, fmt.Errorf("%s %w: its KV cache has the type %.20q, not %s", f.Name(), ErrSnapshotModel, h.KVType, own.KVType)
	}
	if h.Model != own.Model {
		return nil, nil, fmt.Errorf("%s %w: it is of another model, or experts were chosen in another way", f.Name(), ErrSnapshotModel)
	}
	return &Snapshot{Tokens: tokens, Note: h.Note}, r, nil
}

// readSnapshotHead is readSnapshot for any model.
func readSnapshotHead(f *os.File, size int64) (*SnapshotHeader, []int32, io.Reader, error) {
	sum := xxh3.New()
	buffered := bufio.NewReaderSize(f, 1<<20)
	r := io.TeeReader(buffered, sum)
	corrupt := func(what string) (*SnapshotHeader, []int32, io.Reader, error) {
		return nil, nil, nil, fmt.Errorf("%s %w: %s", f.Name(), ErrSnapshotCorrupt, what)
	}
	start := make([]byte, len(snapshotMagic)+4)
	if _, err := io.ReadFull(r, start); err != nil || !bytes.HasPrefix(start, []byte(snapshotMagic)) {
		return corrupt("it does not begin as one")
	}
	n := int64(binary.LittleEndian.Uint32(start[len(snapshotMagic):]))
	if n > min(snapshotHeaderMost, size) {
		return corrupt("its header is longer than the file")
	}
	text := make([]byte, n)
	var h SnapshotHeader
	if _, err := io.ReadFull(r, text); err != nil || json.Unmarshal(text, &h) != nil {
		return corrupt("its header is no JSON")
	}
	if h.Tokens < 0 || int64(h.Tokens) > size/4 {
		return corrupt("it has not as many tokens as it says")
	}
	ids := make([]byte, 4*h.Tokens)
	if _, err := io.ReadFull(r, ids); err != nil {
		return corrupt("it ends within its tokens")
	}
	want := sum.Sum64()
	var got [8]byte
	if _, err := io.ReadFull(buffered, got[:]); err != nil || binary.LittleEndian.Uint64(got[:]) != want {
		return corrupt("the checksum of its header is wrong")
	}
	tokens := make([]int32, h.Tokens)
	for i := range tokens {
		tokens[i] = int32(binary.LittleEndian.Uint32(ids[4*i:]))
	}
	return &h, tokens, buffered, nil
}

// summed is a reader that sums what is read.
type summed struct {
	r   io.Reader
	sum hash.Hash64
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	return n, err
}

// check reads the checksum that follows and compares.
func (s *summed) check(path string) error {
	want := s.sum.Sum64()
	var got [8]byte
	if _, err := io.ReadFull(s.r, got[:]); err != nil || binary.LittleEndian.Uint64(got[:]) != want {
		return fmt.Errorf("%s %w: the checksum of its KV cache is wrong", path, ErrSnapshotCorrupt)
	}
	if n, _ := s.r.Read(got[:1]); n > 0 {
		return fmt.Errorf("%s %w: it goes on after its end", path, ErrSnapshotCorrupt)
	}
	return nil
}
