package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	mmap "github.com/edsrzf/mmap-go"
	"github.com/zeebo/xxh3"
)

// Reader reads one model file. Its methods may be called by several goroutines at once.
type Reader struct {
	Meta
	Provenance Provenance

	path     string
	file     File
	size     int64
	sections []Section
	records  []Record
	version  uint32
	tensors  map[string]location
	roles    map[roleKey]location // of the dense part
	experts  map[[2]int]*Record

	identityMu sync.Mutex
	identity   identity

	mapOnce sync.Once
	mapped  mmap.MMap
	mapErr  error
}

type location struct {
	record *Record
	tensor *Tensor
}

// Open opens a model file and validates its header, metadata and directory; it reads no weights.
func Open(path string) (*Reader, error) {
	// To open a pipe would wait for somebody to write to it.
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	case info.IsDir():
		return nil, fmt.Errorf("%s %w", path, ErrIsDirectory)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: name an .stm file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	return NewReader(osFile{f}, path)
}

// NewReader is [Open] for a file that is open already; path is used in errors. The Reader closes the file, also when
// NewReader fails.
func NewReader(f File, path string) (*Reader, error) {
	r := &Reader{path: path, file: f}
	if err := r.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if r.size, err = r.file.Size(); err != nil {
		return cause(err)
	}
	if f, ok := r.file.(mappable); ok {
		if info, err := f.osFile().Stat(); err == nil {
			r.identity.modified = info.ModTime()
		}
	}
	header := make([]byte, min(headerSize, r.size))
	if err := readFull(r.file, header, 0); err != nil {
		return err
	}
	if r.version, r.sections, err = decodeHeader(header, r.size); err != nil {
		return err
	}
	r.identity.header = header
	for _, s := range []struct {
		name string
		into any
	}{{sectionConfig, &r.Config}, {sectionGeneration, &r.Generation}, {sectionProvenance, &r.Provenance}} {
		text, err := r.readSection(s.name)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			continue
		}
		if err := json.Unmarshal(text, s.into); err != nil {
			return fmt.Errorf("%w: section %q: %v", ErrCorrupt, s.name, err)
		}
	}
	if err := r.Config.Validate(); err != nil {
		return fmt.Errorf("%w: config: %w", ErrCorrupt, err)
	}
	if r.Tokenizer, err = r.readSection(sectionTokenizer); err != nil {
		return err
	}
	template, err := r.readSection(sectionTemplate)
	if err != nil {
		return err
	}
	r.ChatTemplate = string(template)
	return r.openDirectory()
}

func (r *Reader) openDirectory() error {
	directory, err := r.readSection(sectionDirectory)
	if err != nil {
		return err
	}
	dense, _ := r.section(sectionDense)
	experts, _ := r.section(sectionExperts)
	if r.records, err = decodeDirectory(directory, r.version, dense, experts); err != nil {
		return err
	}
	r.tensors = make(map[string]location)
	r.roles = make(map[roleKey]location)
	r.experts = make(map[[2]int]*Record)
	for i := range r.records {
		rec := &r.records[i]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			r.tensors[t.Name] = location{rec, t}
			if t.Role != RoleNone && !rec.IsExpert() {
				r.roles[roleKey{t.Role, rec.Layer, -1}] = location{rec, t}
			}
		}
		if !rec.IsExpert() {
			continue
		}
		key := [2]int{rec.Layer, rec.Expert}
		if r.experts[key] != nil {
			return badDirectory("%s occurs twice", rec)
		}
		r.experts[key] = rec
	}
	// Readers allocate by the config's numbers, which the file's size must justify.
	if n := r.Config.ExpertCount(); n > len(r.experts) {
		return badDirectory("it has %d experts, and the config asks for %d", len(r.experts), n)
	}
	return nil
}

func (r *Reader) section(name string) (Section, bool) {
	for _, s := range r.sections {
		if s.Name == name {
			return s, true
		}
	}
	return Section{}, false
}

// readSection returns a metadata section, checked; nil if the file has none of that name.
func (r *Reader) readSection(name string) ([]byte, error) {
	s, ok := r.section(name)
	if !ok {
		return nil, nil
	}
	b := make([]byte, s.Length)
	if err := readFull(r.file, b, s.Offset); err != nil {
		return nil, fmt.Errorf("section %q: %w", name, err)
	}
	if s.flags&flagRecords == 0 && xxh3.Hash(b) != s.Checksum {
		return nil, fmt.Errorf("%w: section %q: checksum does not match; copy or convert the file again", ErrCorrupt, name)
	}
	return b, nil
}

// readFull fills b from the file at an offset. The end of the file comes too early only if it shrank after it was opened.
func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d bytes at offset %d are missing; copy or convert the file again", ErrTruncated, len(b)-n, at+int64(n))
	}
	return cause(err)
}

// Path returns the name the file was opened by.
func (r *Reader) Path() string { return r.path }

// Size returns the file's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Version returns the file's format version.
func (r *Reader) Version() int { return int(r.version) }

// Sections returns the header's table.
func (r *Reader) Sections() []Section { return r.sections }

// Records returns all records in file order: the dense part, then the experts layer by layer.
func (r *Reader) Records() []Record { return r.records }

// Expert returns the record of an expert.
func (r *Reader) Expert(layer, expert int) (*Record, bool) {
	rec, ok := r.experts[[2]int{layer, expert}]
	return rec, ok
}

// Role returns the tensor of a role in the dense part and the record that holds it. layer is −1 for what belongs to no layer. Those
// of an expert are in its record: see [Reader.Expert] and [Record.Tensor].
func (r *Reader) Role(role Role, layer int) (*Record, *Tensor, bool) {
	l, ok := r.roles[roleKey{role, layer, -1}]
	return l.record, l.tensor, ok
}

// Lookup returns the tensor of that name and the record that holds it.
func (r *Reader) Lookup(name string) (*Record, *Tensor, bool) {
	l, ok := r.tensors[name]
	return l.record, l.tensor, ok
}

// ReadRecord reads a whole record into buf, which is rec.Length long, and checks it.
func (r *Reader) ReadRecord(rec *Record, buf []byte) error {
	if err := r.ReadPart(r.file, rec, buf[:rec.Length], rec.Offset); err != nil {
		return err
	}
	return r.Check(rec, buf)
}

// ReadPart fills buf from an offset of f, which is the file itself, if it is nil, or what [Reader.Direct] returned. Errors name the
// record for which it is read.
func (r *Reader) ReadPart(f File, rec *Record, buf []byte, at int64) error {
	if f == nil {
		f = r.file
	}
	if err := readFull(f, buf, at); err != nil {
		return fmt.Errorf("%s: %s: %w", r.path, rec, err)
	}
	return nil
}

// Check compares a record's bytes with its checksum. The error wraps [ErrCorrupt], or [ErrChanged] if the file is another one by now.
func (r *Reader) Check(rec *Record, data []byte) error {
	if xxh3.Hash(data[:rec.Length]) != rec.Checksum {
		return r.Mismatch(rec)
	}
	return nil
}

// Mismatch returns the error of a record whose bytes do not have its checksum. It wraps [ErrCorrupt], or [ErrChanged] if the file is another one
// by now.
func (r *Reader) Mismatch(rec *Record) error {
	if err := r.Changed(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %s: %w: checksum does not match; copy or convert the file again", r.path, rec, ErrCorrupt)
}

// Close releases the file and its mapping.
func (r *Reader) Close() error {
	if r.mapped != nil {
		if err := r.mapped.Unmap(); err != nil {
			return err
		}
	}
	return r.file.Close()
}
