package pull

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"

	"st/convert"
	"st/convert/hub"
)

// feed brings the bytes of the weight files in their order, from the network or from the Hub's cache, hashes them, and remembers the state of the
// hash wherever the next process may have to go on.
type feed struct {
	files  []*headFile
	bases  []int64 // where each begins
	begins []int64 // of jobs, which are left
	stream *hub.Stream
	piece  int64
	room   *semaphore.Weighted // for bytes of what the cache has
	idle   chan []byte         // buffers of whole pieces

	once   sync.Once
	at     int // of files
	pos    int64
	hasher *hub.Hasher
	open   *os.File // of the cache

	mu     sync.Mutex
	states map[int64]hub.HashState // by position, inside of a file
	sums   map[string]string       // of files that are complete, by path
	told   map[string]bool         // that the journal has
	failed int                     // the file whose hash is wrong
}

// newFeed begins at a position, at which hash is the state of the file's hash; nil: at its beginning.
func newFeed(ctx context.Context, files []*headFile, begins []int64, position int64, hash *hub.HashState, sums map[string]string, window int64) (*feed, error) {
	f := &feed{files: files, begins: begins, pos: position, states: map[int64]hub.HashState{}, sums: sums, told: map[string]bool{}, failed: -1}
	for name := range sums {
		f.told[name] = true
	}
	base := int64(0)
	var spans []hub.Span
	f.at = len(files)
	for i, h := range files {
		f.bases = append(f.bases, base)
		end := base + h.Size()
		if position < end || position == end && h.Size() == 0 {
			f.at = min(f.at, i)
			from := max(0, position-base)
			if h.local == "" {
				spans = append(spans, hub.Span{File: h.file, From: from, To: h.Size()})
			}
		}
		base = end
	}
	if f.at < len(files) {
		h := files[f.at]
		f.hasher = hub.NewHasher(h.file)
		if done := position - f.bases[f.at]; done > 0 {
			if hash == nil || hash.Done != done {
				return nil, fmt.Errorf("the journal has no hash of %s up to byte %d", h.file.Path, done)
			}
			var err error
			if f.hasher, err = hub.NewHasherAt(h.file, *hash); err != nil {
				return nil, err
			}
			f.states[position] = *hash
		}
	}
	for len(f.begins) > 0 && f.begins[0] < position {
		f.begins = f.begins[1:]
	}
	f.piece = files[0].all.repo.Client().PieceBytes()
	window = max(2*f.piece, window)
	f.room, f.idle = semaphore.NewWeighted(window), make(chan []byte, window/f.piece)
	f.stream = files[0].all.repo.Stream(ctx, spans, window)
	return f, nil
}

func (f *feed) close() {
	f.stream.Close()
	if f.open != nil {
		f.open.Close()
	}
}

// Next returns the bytes that follow.
func (f *feed) Next(ctx context.Context) (convert.Portion, error) {
	f.once.Do(func() { context.AfterFunc(ctx, f.stream.Stop) })
	for f.at < len(f.files) && f.pos == f.bases[f.at]+f.files[f.at].Size() {
		if err := f.complete(); err != nil {
			return convert.Portion{}, err
		}
	}
	if f.at == len(f.files) {
		return convert.Portion{}, io.EOF
	}
	h := f.files[f.at]
	off := f.pos - f.bases[f.at]
	var p convert.Portion
	if h.local != "" {
		var err error
		if p, err = f.read(ctx, h, off); err != nil {
			return convert.Portion{}, err
		}
	} else {
		piece, ok, err := f.stream.Next()
		if err != nil {
			return convert.Portion{}, err
		}
		if !ok || piece.File != h.file || piece.Offset != off {
			return convert.Portion{}, fmt.Errorf("%s: byte %d did not come", h.file.Path, off)
		}
		p = convert.Portion{Data: piece.Data, Release: func() { f.stream.Release(piece) }}
	}
	if err := h.check(p.Data, off); err != nil {
		return convert.Portion{}, err
	}
	f.hash(p.Data)
	for f.at < len(f.files) && f.pos == f.bases[f.at]+f.files[f.at].Size() {
		if err := f.complete(); err != nil {
			return convert.Portion{}, err
		}
	}
	return p, nil
}

// read takes bytes from the cache.
func (f *feed) read(ctx context.Context, h *headFile, off int64) (convert.Portion, error) {
	if f.open == nil {
		var err error
		if f.open, err = os.Open(h.local); err != nil {
			return convert.Portion{}, err
		}
	}
	n := min(f.piece, h.Size()-off)
	if err := f.room.Acquire(ctx, n); err != nil {
		return convert.Portion{}, err
	}
	buf := f.buffer(n)
	if _, err := f.open.ReadAt(buf, off); err != nil {
		return convert.Portion{}, fmt.Errorf("%s: %w", h.local, err)
	}
	return convert.Portion{Data: buf, Release: func() {
		if n == f.piece {
			select {
			case f.idle <- buf:
			default: // enough of them are idle
			}
		}
		f.room.Release(n)
	}}, nil
}

// buffer returns one of n bytes. Those of whole pieces are used over and over.
func (f *feed) buffer(n int64) []byte {
	if n == f.piece {
		select {
		case buf := <-f.idle:
			return buf
		default:
		}
	}
	return make([]byte, n)
}

// hash adds bytes, and keeps the states where jobs begin and at the end.
func (f *feed) hash(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(data) > 0 {
		n := int64(len(data))
		for len(f.begins) > 0 && f.begins[0] <= f.pos {
			f.begins = f.begins[1:]
		}
		if len(f.begins) > 0 {
			n = min(n, f.begins[0]-f.pos)
		}
		f.hasher.Write(data[:n])
		data = data[n:]
		f.pos += n
		f.states[f.pos] = f.hasher.State()
	}
}

// complete checks the hash of a file, and goes on with the next.
func (f *feed) complete() error {
	h := f.files[f.at]
	if err := f.hasher.Check(h.all.repo.Name(h.file)); err != nil {
		if h.local != "" {
			err = fmt.Errorf("%s: %w", h.local, err)
		}
		f.failed = f.at
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sums[h.file.Path] = f.hasher.Sum()
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
	if f.at++; f.at < len(f.files) {
		f.hasher = hub.NewHasher(f.files[f.at].file)
	}
	return nil
}

// entry makes a line of the journal.
func (f *feed) entry(more []convert.JobResult, position int64) entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := entry{Position: position}
	for _, r := range more {
		e.Done = append(e.Done, result{r.Sum, uint64(r.Nonfinite)})
	}
	if s, ok := f.states[position]; ok {
		e.Hash = &s
	}
	for at := range f.states {
		if at < position {
			delete(f.states, at)
		}
	}
	for i, h := range f.files {
		// Those that end before the position; the sums of others come when it has passed them.
		if name := h.file.Path; f.bases[i]+h.Size() <= position && !f.told[name] && f.sums[name] != "" {
			f.told[name] = true
			if e.Sums == nil {
				e.Sums = map[string]string{}
			}
			e.Sums[name] = f.sums[name]
		}
	}
	return e
}

// fileAt returns the path of the file that has a position.
func (f *feed) fileAt(position int64) string {
	for i := len(f.bases) - 1; i >= 0; i-- {
		if position >= f.bases[i] {
			return f.files[i].file.Path
		}
	}
	return ""
}

// unchecked returns where the first file begins whose hash was not checked yet.
func (f *feed) unchecked() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, h := range f.files {
		if f.sums[h.file.Path] == "" {
			return f.bases[i]
		}
	}
	return math.MaxInt64
}
