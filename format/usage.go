package format

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"github.com/zeebo/xxh3"

	"st/format/filelock"
	"st/format/outfile"
)

// Usage tells how often experts were used: what a cache of experts is best filled with.
type Usage struct {
	// Tokens is the number of tokens that were counted.
	Tokens int64 `json:"tokens"`
	// Uses is how many of them chose each expert: layer by layer, in the order of the records.
	Uses []int64 `json:"uses"`
}

// Add adds what another run counted. What would be more than an int64 holds stays the largest.
func (u *Usage) Add(o *Usage) {
	u.Tokens = addCounts(u.Tokens, o.Tokens)
	for i, n := range o.Uses {
		u.Uses[i] = addCounts(u.Uses[i], n)
	}
}

func addCounts(a, b int64) int64 { return min(a, math.MaxInt64-b) + b }

// validate checks counts that were read: no token uses an expert twice.
func (u *Usage) validate() error {
	if u.Tokens < 0 {
		return fmt.Errorf("%d tokens", u.Tokens)
	}
	for _, n := range u.Uses {
		if n < 0 || n > u.Tokens {
			return fmt.Errorf("%d uses in %d tokens", n, u.Tokens)
		}
	}
	return nil
}

// The section "expert_usage" holds two copies, each in whole pages, of which the valid one with the higher number counts: a
// copy that was written half does no harm.
//
//	0  uint64  number of the copy, from 1; 0: never written
//	8  uint64  XXH3-64 of what follows, with the number before it
//	16 uint64  tokens
//	24 uint64  uses of each expert
const usageHeader = 24

// usageBytes returns the length of one copy.
func usageBytes(experts int) int64 { return alignUp(usageHeader+8*int64(experts), Alignment) }

func (u *Usage) encode(number uint64) []byte {
	b := make([]byte, usageBytes(len(u.Uses)))
	le.PutUint64(b, number)
	le.PutUint64(b[16:], uint64(u.Tokens))
	for i, n := range u.Uses {
		le.PutUint64(b[usageHeader+8*i:], uint64(n))
	}
	le.PutUint64(b[8:], usageChecksum(b))
	return b
}

func usageChecksum(b []byte) uint64 {
	return xxh3.Hash(le.AppendUint64(append([]byte(nil), b[16:]...), le.Uint64(b)))
}

// decodeUsage returns what a copy holds and its number; 0 if it is not valid.
func decodeUsage(b []byte, experts int) (u *Usage, number uint64) {
	number = le.Uint64(b)
	if number == 0 || usageChecksum(b) != le.Uint64(b[8:]) {
		return nil, 0
	}
	u = &Usage{Tokens: int64(le.Uint64(b[16:])), Uses: make([]int64, experts)}
	for i := range u.Uses {
		u.Uses[i] = int64(le.Uint64(b[usageHeader+8*i:]))
	}
	if u.validate() != nil {
		return nil, 0
	}
	return u, number
}

// Usage returns what was recorded in the file and beside it; nil if nothing was.
func (r *Reader) Usage() (*Usage, error) {
	u, _, err := r.readUsage(r.file)
	if err != nil {
		return nil, err
	}
	beside, err := r.readUsageFile()
	switch {
	case err != nil || beside == nil:
		return u, err
	case u == nil:
		return beside, nil
	}
	u.Add(beside)
	return u, nil
}

// readUsage reads the section of the model, opened once more or not. The number is that of the newest valid copy.
func (r *Reader) readUsage(f io.ReaderAt) (u *Usage, number uint64, err error) {
	s, ok := r.section(sectionUsage)
	if !ok {
		return nil, 0, nil
	}
	size := usageBytes(len(r.experts))
	if s.Length != 2*size {
		return nil, 0, fmt.Errorf("%s: %w: section %q has %d bytes, not %d", r.path, ErrCorrupt, s.Name, s.Length, 2*size)
	}
	b := make([]byte, s.Length)
	if err := readFull(f, b, s.Offset); err != nil {
		return nil, 0, fmt.Errorf("%s: section %q: %w", r.path, s.Name, err)
	}
	for _, part := range [][]byte{b[:size], b[size:]} {
		if x, n := decodeUsage(part, len(r.experts)); n > number {
			u, number = x, n
		}
	}
	return u, number, nil
}

// verifyUsage checks that each copy in the section is valid, or was never written. The error about one that is not wraps ErrUsage.
func (r *Reader) verifyUsage() error {
	s, ok := r.section(sectionUsage)
	if !ok {
		return nil
	}
	if _, _, err := r.readUsage(r.file); err != nil {
		return err
	}
	b := make([]byte, usageBytes(len(r.experts)))
	for at := s.Offset; at < s.end(); at += int64(len(b)) {
		if err := readFull(r.file, b, at); err != nil {
			return fmt.Errorf("%s: section %q: %w", r.path, s.Name, err)
		}
		if _, n := decodeUsage(b, len(r.experts)); n == 0 && !zero(b) {
			return fmt.Errorf("%s: %w: it is at offset %d and is not used", r.path, ErrUsage, at)
		}
	}
	return nil
}

// CheckRecordUsage tells of what would keep RecordUsage from writing, before a run that would be in vain.
func (r *Reader) CheckRecordUsage() error {
	if _, ok := r.section(sectionUsage); ok {
		if f, err := os.OpenFile(r.path, os.O_RDWR, 0); err == nil {
			return f.Close()
		}
	}
	if _, err := r.readUsageFile(); err != nil {
		return err
	}
	path := UsagePath(r.path)
	f, err := outfile.Create(path, outfile.Options{Replace: true})
	switch {
	case errors.Is(err, outfile.ErrBusy): // another process records, and this one will be next
		return nil
	case err != nil:
		return fmt.Errorf("%w in %s: %w", ErrCannotRecord, r.path, err)
	}
	f.Abort()
	return nil
}

// RecordUsage adds to what is recorded of the experts of a model: in the file, or beside it if the file cannot be written to
// or has no room for it. It returns the name of the file that was written. Several processes and goroutines may do so at once: the model
// is locked meanwhile. A file that is no longer the model that was opened is not written to: the error wraps [ErrChanged].
func (r *Reader) RecordUsage(add *Usage) (string, error) {
	if len(add.Uses) != len(r.experts) {
		return "", fmt.Errorf("%d experts were counted, and %s has %d", len(add.Uses), r.path, len(r.experts))
	}
	s, inside := r.section(sectionUsage)
	flags := os.O_RDWR
	if !inside {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(r.path, flags, 0)
	if err != nil && inside {
		inside = false
		f, err = os.Open(r.path)
	}
	if err != nil {
		return "", fmt.Errorf("open %s: %w", r.path, cause(err))
	}
	defer f.Close() // which ends the lock
	recording.Lock()
	defer recording.Unlock()
	if err := filelock.Lock(f); err != nil && !errors.Is(err, filelock.ErrUnsupported) {
		return "", fmt.Errorf("lock %s: %w", r.path, cause(err))
	}
	if !r.is(f) {
		return "", fmt.Errorf("%s: %w: nothing is recorded", r.path, ErrChanged)
	}
	if !inside {
		return r.recordBeside(add)
	}
	u, number, err := r.readUsage(f)
	if err != nil {
		return "", err
	}
	if u == nil {
		u = &Usage{Uses: make([]int64, len(r.experts))}
	}
	u.Add(add)
	// The newest copy stays until the other one is on the disk.
	at := s.Offset + int64((number+1)%2)*usageBytes(len(r.experts))
	_, err = f.WriteAt(u.encode(number+1), at)
	if err == nil {
		if err = fsync(f); outfile.CannotSync(err) {
			err = nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", r.path, cause(err))
	}
	return r.path, nil
}

// fsync brings a file to the disk; tests put a file system in its place that cannot.
var fsync = (*os.File).Sync

// recording is held by the goroutine that records, for file systems without locks. Other processes are not kept out on them.
var recording sync.Mutex

// is reports whether f is the model that was opened: the same file, if that is known, with the same header.
func (r *Reader) is(f *os.File) bool {
	if own, ok := r.file.(mappable); ok {
		a, errA := own.osFile().Stat()
		b, errB := f.Stat()
		if errA != nil || errB != nil || !os.SameFile(a, b) || b.Size() != r.size {
			return false
		}
	}
	return r.sameHeader(f)
}
