package format

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"st/format/outfile"
)

// Sentinel errors, wrapped with the file's name and what was found.
var (
	ErrNotModel  = errors.New("not an .stm model file")
	ErrGGUF      = fmt.Errorf("%w but a GGUF file", ErrNotModel)
	ErrVersion   = errors.New("unsupported format version")
	ErrTruncated = errors.New("file is truncated")
	ErrCorrupt   = errors.New("file is corrupt")
	// ErrPointer and ErrXetPointer are about what a clone without Git LFS or Xet leaves in the place of a large file of any kind.
	ErrPointer    = errors.New("a Git LFS pointer, not the file itself")
	ErrXetPointer = errors.New("a Xet pointer, not the file itself")
	// ErrIsDirectory is about a path that should name a file.
	ErrIsDirectory = errors.New("is a directory")
	// ErrExists is about an output that exists and may not be replaced.
	ErrExists = outfile.ErrExists
	// ErrCannotMap is about a file that the operating system does not map into memory. It can be read.
	ErrCannotMap = errors.New("cannot be mapped into memory")
	// ErrChanged is about a file that is no longer what it was when it was opened.
	ErrChanged = errors.New("the file was changed while it was in use")
	// ErrCannotRecord is about a model whose use can be recorded neither in it nor beside it.
	ErrCannotRecord = errors.New("the use of experts cannot be recorded")
	// ErrUsage is about what was recorded of the experts: the model is intact.
	ErrUsage = errors.New("a record of the use of experts is damaged")
)

// Version is the format version that this package writes, and the newest that it reads. Files of version 1 have no roles in their
// directory.
const Version = 2

// Alignment is the alignment of data sections and expert records: a page, and what O_DIRECT asks for.
const Alignment = 4096

// denseAlignment is the alignment of dense records and of metadata sections: a cache line.
const denseAlignment = 64

const (
	magic        = "\x89STM\r\n\x1a\n" // like PNG's: a transfer in text mode breaks it
	headerSize   = 4096
	fixedSize    = 64
	sectionSize  = 64
	maxSections  = (headerSize - fixedSize) / sectionSize
	checksumAt   = 56
	flagRequired = 1 << 0 // a reader that does not know the section must refuse the file
	flagRecords  = 1 << 1 // the checksum is 0: what is inside carries its own
	sectionFlags = flagRequired | flagRecords
)

// Section names.
const (
	sectionConfig     = "config"
	sectionGeneration = "generation"
	sectionTokenizer  = "tokenizer"
	sectionTemplate   = "chat_template"
	sectionProvenance = "provenance"
	sectionDirectory  = "directory"
	sectionDense      = "dense"
	sectionExperts    = "experts"
	sectionUsage      = "expert_usage"
)

// required are the sections without which a file is not a model.
var required = []string{sectionConfig, sectionProvenance, sectionDirectory, sectionDense, sectionExperts}

// ownChecksums are the sections whose contents carry checksums of their own.
var ownChecksums = []string{sectionDense, sectionExperts, sectionUsage}

var known = append([]string{sectionGeneration, sectionTokenizer, sectionTemplate, sectionUsage}, required...)

// Section is one entry of the header's table.
type Section struct {
	Name     string `json:"name"`
	Offset   int64  `json:"offset"`
	Length   int64  `json:"length"`
	Checksum uint64 `json:"-"` // XXH3-64 of the bytes, unless the section is cut into records
	flags    uint32
}

func (s *Section) end() int64 { return s.Offset + s.Length }

var le = binary.LittleEndian

// encodeHeader returns the 4 KiB header of a file of that size.
func encodeHeader(size int64, sections []Section) []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	le.PutUint32(h[8:], Version)
	le.PutUint32(h[12:], headerSize)
	le.PutUint64(h[16:], uint64(size))
	le.PutUint32(h[24:], uint32(len(sections)))
	le.PutUint32(h[28:], Alignment)
	for i, s := range sections {
		e := h[fixedSize+i*sectionSize:]
		copy(e[:16], s.Name)
		le.PutUint32(e[16:], s.flags)
		le.PutUint64(e[24:], uint64(s.Offset))
		le.PutUint64(e[32:], uint64(s.Length))
		le.PutUint64(e[40:], s.Checksum)
	}
	le.PutUint64(h[checksumAt:], headerChecksum(h))
	return h
}

// headerChecksum is the XXH3-64 of the header with the checksum itself zeroed.
func headerChecksum(h []byte) uint64 {
	h = bytes.Clone(h)
	le.PutUint64(h[checksumAt:], 0)
	return xxh3.Hash(h)
}

// decodeHeader validates the start of a file (at most headerSize bytes of it) of the given size.
func decodeHeader(h []byte, size int64) (version uint32, sections []Section, err error) {
	if version, err = headerVersion(h); err != nil {
		return 0, nil, err
	}
	if headerChecksum(h) != le.Uint64(h[checksumAt:]) {
		return 0, nil, fmt.Errorf("%w: the header's checksum does not match; copy or convert the file again", ErrCorrupt)
	}
	if n := le.Uint32(h[12:]); n != headerSize {
		return 0, nil, fmt.Errorf("%w: the header says that it has %d bytes, not %d", ErrCorrupt, n, headerSize)
	}
	if a := le.Uint32(h[28:]); a != Alignment {
		return 0, nil, fmt.Errorf("%w: alignment is %d, not %d", ErrCorrupt, a, Alignment)
	}
	switch want := le.Uint64(h[16:]); {
	case want > uint64(size):
		return 0, nil, fmt.Errorf("%w: it has %d bytes of %d; copy or convert it again", ErrTruncated, size, want)
	case want < uint64(size):
		return 0, nil, fmt.Errorf("%w: it has %d bytes, the header says %d; copy or convert it again", ErrCorrupt, size, want)
	}
	n := le.Uint32(h[24:])
	if n > maxSections {
		return 0, nil, fmt.Errorf("%w: %d sections do not fit in the header", ErrCorrupt, n)
	}
	if !zero(h[32:checksumAt]) || !zero(h[fixedSize+int(n)*sectionSize:]) {
		return 0, nil, fmt.Errorf("%w: bytes of the header that must be zero are not", ErrCorrupt)
	}
	sections, err = decodeSections(h[fixedSize:], int(n), size)
	return version, sections, err
}

// headerVersion returns the format version of the file that begins with h, which is a whole header if there is no error.
func headerVersion(h []byte) (uint32, error) {
	if !bytes.HasPrefix(h, []byte(magic)) {
		if len(h) < len(magic) && bytes.HasPrefix([]byte(magic), h) && len(h) > 0 {
			return 0, fmt.Errorf("%w: it has only %d bytes; copy or convert it again", ErrTruncated, len(h))
		}
		if bytes.HasPrefix(h, []byte("GGUF")) {
			return 0, ErrGGUF
		}
		if err := CheckPointer(h); err != nil {
			return 0, err
		}
		return 0, ErrNotModel
	}
	if len(h) < 12 {
		return 0, fmt.Errorf("%w: it has only %d bytes; copy or convert it again", ErrTruncated, len(h))
	}
	if v := le.Uint32(h[8:]); v > Version {
		return 0, fmt.Errorf("%w: the file has version %d and this program reads up to %d; update st", ErrVersion, v, Version)
	} else if v == 0 {
		return 0, fmt.Errorf("%w: version 0 does not exist", ErrCorrupt)
	}
	if len(h) < headerSize {
		return 0, fmt.Errorf("%w: it has only %d bytes, less than its header; copy or convert it again", ErrTruncated, len(h))
	}
	return le.Uint32(h[8:]), nil
}

// CheckPointer returns [ErrPointer] or [ErrXetPointer] if a file that begins with begin is one.
func CheckPointer(begin []byte) error {
	switch {
	case bytes.HasPrefix(begin, []byte("version https://git-lfs.github.com/spec/")):
		return ErrPointer
	case bytes.HasPrefix(begin, []byte("# xet version ")):
		return ErrXetPointer
	}
	return nil
}

// zero reports whether all bytes are zero.
func zero(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
}

func decodeSections(table []byte, n int, size int64) ([]Section, error) {
	sections := make([]Section, n)
	names := map[string]bool{}
	for i := range sections {
		e := table[i*sectionSize:]
		name, rest, _ := bytes.Cut(e[:16], []byte{0})
		s := Section{
			Name:     string(name),
			flags:    le.Uint32(e[16:]),
			Checksum: le.Uint64(e[40:]),
		}
		offset, length := le.Uint64(e[24:]), le.Uint64(e[32:])
		if offset < headerSize || offset > uint64(size) || length > uint64(size)-offset {
			return nil, fmt.Errorf("%w: section %q reaches outside the file", ErrCorrupt, s.Name)
		}
		s.Offset, s.Length = int64(offset), int64(length)
		if !zero(rest) || !zero(e[20:24]) || !zero(e[48:sectionSize]) {
			return nil, fmt.Errorf("%w: bytes of section %q that must be zero are not", ErrCorrupt, s.Name)
		}
		if flags := s.flags &^ sectionFlags; flags != 0 {
			return nil, fmt.Errorf("%w: section %q has flags %#x, unknown to this program; update st", ErrVersion, s.Name, flags)
		}
		if records := s.flags&flagRecords != 0; records && s.Checksum != 0 || slices.Contains(known, s.Name) && records != slices.Contains(ownChecksums, s.Name) {
			return nil, fmt.Errorf("%w: section %q has flags %d and checksum %#x", ErrCorrupt, s.Name, s.flags, s.Checksum)
		}
		if names[s.Name] {
			return nil, fmt.Errorf("%w: section %q occurs twice", ErrCorrupt, s.Name)
		}
		names[s.Name] = true
		if s.flags&flagRequired != 0 && !slices.Contains(known, s.Name) {
			return nil, fmt.Errorf("%w: section %q is required and unknown to this program; update st", ErrVersion, s.Name)
		}
		sections[i] = s
	}
	for _, name := range required {
		if !names[name] {
			return nil, fmt.Errorf("%w: section %q is missing", ErrCorrupt, name)
		}
	}
	ordered := slices.SortedFunc(slices.Values(sections), func(a, b Section) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	for i := 1; i < len(ordered); i++ {
		if a, b := &ordered[i-1], &ordered[i]; a.end() > b.Offset {
			return nil, fmt.Errorf("%w: sections %q and %q overlap", ErrCorrupt, a.Name, b.Name)
		}
	}
	return sections, nil
}

func alignUp[T int | int64](n, to T) T { return (n + to - 1) / to * to }
