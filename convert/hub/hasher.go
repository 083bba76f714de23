package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
)

// Hasher computes a file's hashes. Its state can be saved, so that another process continues.
type Hasher struct {
	file   *File
	done   int64
	sha256 hash.Hash
	blob   hash.Hash // nil: not needed
}

// NewHasher begins at the file's first byte.
func NewHasher(f *File) *Hasher {
	h := &Hasher{file: f, sha256: sha256.New()}
	if f.SHA256 == "" && f.Blob != "" {
		h.blob = sha1.New()
		io.WriteString(h.blob, "blob "+strconv.FormatInt(f.Size, 10)+"\x00")
	}
	return h
}

// Write adds bytes. It never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	h.sha256.Write(p)
	if h.blob != nil {
		h.blob.Write(p)
	}
	h.done += int64(len(p))
	return len(p), nil
}

// HashState is the state of a Hasher after a part of a file.
type HashState struct {
	Done   int64  `json:"done"`
	SHA256 []byte `json:"sha256"`
	Blob   []byte `json:"blob,omitempty"`
}

// State returns what NewHasherAt goes on from.
func (h *Hasher) State() HashState {
	s := HashState{Done: h.done}
	s.SHA256, _ = h.sha256.(encoding.BinaryMarshaler).MarshalBinary() // that of the standard library never fails
	if h.blob != nil {
		s.Blob, _ = h.blob.(encoding.BinaryMarshaler).MarshalBinary()
	}
	return s
}

// NewHasherAt returns a Hasher that goes on from a state.
func NewHasherAt(f *File, s HashState) (*Hasher, error) {
	h := NewHasher(f)
	h.done = s.Done
	if err := h.sha256.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.SHA256); err != nil {
		return nil, err
	}
	if h.blob != nil {
		return h, h.blob.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.Blob)
	}
	return h, nil
}

// Sum returns the SHA-256 of all bytes so far, in hexadecimal.
func (h *Hasher) Sum() string { return hex.EncodeToString(h.sha256.Sum(nil)) }

// Check compares the hash of all bytes with the one that the service published.
func (h *Hasher) Check(name string) error {
	got, want := h.Sum(), h.file.SHA256
	if h.blob != nil {
		got, want = hex.EncodeToString(h.blob.Sum(nil)), h.file.Blob
	}
	switch {
	case h.done != h.file.Size:
		return fmt.Errorf("%s %w: %d bytes of %d", name, ErrHash, h.done, h.file.Size)
	case want == "":
		return fmt.Errorf("%s: %w: it publishes no hash of the file", name, ErrProtocol)
	case !strings.EqualFold(got, want):
		return fmt.Errorf("%s %w: %s in place of %s", name, ErrHash, got, want)
	}
	return nil
}

// setETag is the reverse of ETag.
func (f *File) setETag(hash string) {
	if len(hash) == 2*sha256.Size {
		f.SHA256 = hash
	} else {
		f.Blob = hash
	}
}

// Verify reads a file of the cache, and returns [ErrDamaged] if it is not f. One whose hash is not known is believed.
func (f *File) Verify(ctx context.Context, path string) error {
	if f.ETag() == "" {
		return nil
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := NewHasher(f)
	buf := make([]byte, 1<<20)
	for {
		n, err := in.Read(buf)
		h.Write(buf[:n])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == io.EOF:
			if h.Check(path) != nil {
				return fmt.Errorf("%s %w", path, ErrDamaged)
			}
			return nil
		case err != nil:
			return err
		}
	}
}
