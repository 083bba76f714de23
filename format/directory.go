package format

import (
	"fmt"
	"math"
	"unicode/utf8"

	"st/quant"
)

// Record is a run of bytes in a data section that is read and checked as a whole.
type Record struct {
	// Layer and Expert tell which expert the record is; Expert is −1 in the dense part, and Layer is too for what belongs to
	// no layer.
	Layer, Expert int
	Tensors       []Tensor
	// Offset in the file, and Length in bytes, padding counted in: a multiple of 4096 for an expert, of 64 otherwise.
	Offset, Length int64
	// Checksum is the XXH3-64 of the record's bytes.
	Checksum uint64
}

// IsExpert reports whether the record is an expert.
func (r *Record) IsExpert() bool { return r.Expert >= 0 }

// String names the record as errors and tables do.
func (r *Record) String() string {
	switch {
	case r.IsExpert():
		return fmt.Sprintf("layer %d expert %d", r.Layer, r.Expert)
	case len(r.Tensors) > 0:
		return "tensor " + r.Tensors[0].Name
	}
	return "empty record"
}

// Tensor returns the record's tensor of a role; nil if there is none.
func (r *Record) Tensor(role Role) *Tensor {
	for i := range r.Tensors {
		if r.Tensors[i].Role == role {
			return &r.Tensors[i]
		}
	}
	return nil
}

func (r *Record) alignment() int64 {
	if r.IsExpert() {
		return Alignment
	}
	return denseAlignment
}

const (
	dirHeaderSize = 16
	recordSize    = 48
	tensorSize    = 64
	bitTransposed = 1 << 0
	bitVector     = 1 << 1
	tensorBits    = bitTransposed | bitVector
)

// encodeDirectory returns the directory section. Its length depends on the records' number and names only.
func encodeDirectory(records []Record) []byte {
	var tensors, names int
	for i := range records {
		for j := range records[i].Tensors {
			tensors++
			names += len(records[i].Tensors[j].Name)
		}
	}
	b := make([]byte, dirHeaderSize, dirHeaderSize+len(records)*recordSize+tensors*tensorSize+names)
	le.PutUint32(b, uint32(len(records)))
	le.PutUint32(b[4:], uint32(tensors))
	le.PutUint32(b[8:], uint32(names))
	first := 0
	for i := range records {
		r := &records[i]
		b = le.AppendUint32(b, uint32(int32(r.Layer)))
		b = le.AppendUint32(b, uint32(int32(r.Expert)))
		b = le.AppendUint32(b, uint32(first))
		b = le.AppendUint32(b, uint32(len(r.Tensors)))
		b = le.AppendUint64(b, 0)
		b = le.AppendUint64(b, uint64(r.Offset))
		b = le.AppendUint64(b, uint64(r.Length))
		b = le.AppendUint64(b, r.Checksum)
		first += len(r.Tensors)
	}
	var text []byte
	for i := range records {
		for j := range records[i].Tensors {
			t := &records[i].Tensors[j]
			b = le.AppendUint32(b, uint32(len(text)))
			b = le.AppendUint32(b, uint32(len(t.Name)))
			flags := byte(0)
			if t.Transposed {
				flags |= bitTransposed
			}
			if t.Vector {
				flags |= bitVector
			}
			b = append(b, byte(t.Type), byte(t.Layout), flags, byte(t.Role))
			b = le.AppendUint32(b, uint32(i))
			for _, v := range []int64{int64(t.Rows), int64(t.Cols), t.Offset, t.Stride, t.ScaleOffset, 0} {
				b = le.AppendUint64(b, uint64(v))
			}
			text = append(text, t.Name...)
		}
	}
	return append(b, text...)
}

// decodeDirectory reads the directory section of a file of a version and validates it against the two data sections.
func decodeDirectory(b []byte, version uint32, dense, experts Section) ([]Record, error) {
	bad := func(what string, args ...any) error {
		return fmt.Errorf("%w: directory: %s", ErrCorrupt, fmt.Sprintf(what, args...))
	}
	if len(b) < dirHeaderSize {
		return nil, bad("it has only %d bytes", len(b))
	}
	nr, nt, nn := int64(le.Uint32(b)), int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:]))
	if int64(len(b)) != dirHeaderSize+nr*recordSize+nt*tensorSize+nn {
		return nil, bad("%d records, %d tensors and %d bytes of names do not make %d bytes", nr, nt, nn, len(b))
	}
	if le.Uint32(b[12:]) != 0 {
		return nil, bad("bytes 12 to 15 are not zero")
	}
	rec, b := b[dirHeaderSize:], b[dirHeaderSize+nr*recordSize:]
	ten, names := b, b[nt*tensorSize:]
	records := make([]Record, nr)
	tensors := make([]Tensor, nt)
	seen := make(map[string]bool, nt)
	roles := make(map[roleKey]string, nt)
	next := int64(0)
	end := [2]int64{dense.Offset, experts.Offset}
	for i := range records {
		e := rec[i*recordSize:]
		r := &records[i]
		r.Layer, r.Expert = int(int32(le.Uint32(e))), int(int32(le.Uint32(e[4:])))
		first, count := int64(le.Uint32(e[8:])), int64(le.Uint32(e[12:]))
		r.Checksum = le.Uint64(e[40:])
		if first != next || count < 1 || count > nt-first {
			return nil, bad("record %d does not begin where the one before it ends", i)
		}
		next = first + count
		r.Tensors = tensors[first:next:next]
		if le.Uint64(e[16:]) != 0 {
			return nil, bad("bytes 16 to 23 of record %d are not zero", i)
		}
		if r.Layer < -1 || r.Expert < -1 || r.Layer >= MaxLayers || r.Expert >= maxExperts || r.IsExpert() && r.Layer < 0 {
			return nil, bad("record %d is layer %d expert %d", i, r.Layer, r.Expert)
		}
		section, at := &dense, &end[0]
		if r.IsExpert() {
			section, at = &experts, &end[1]
		}
		offset, length := le.Uint64(e[24:]), le.Uint64(e[32:])
		if offset > math.MaxInt64 || length > math.MaxInt64 || int64(offset) < *at || int64(offset) > section.end() ||
			int64(length) > section.end()-int64(offset) {
			return nil, bad("record %d lies outside its section or overlaps another", i)
		}
		r.Offset, r.Length = int64(offset), int64(length)
		if r.Offset%r.alignment() != 0 || r.Length%r.alignment() != 0 {
			return nil, bad("record %d is not aligned to %d bytes", i, r.alignment())
		}
		*at = r.Offset + r.Length
		for j := range r.Tensors {
			t := &r.Tensors[j]
			if err := t.decode(ten[(first+int64(j))*tensorSize:], names, i, r, version); err != nil {
				return nil, err
			}
			if seen[t.Name] {
				return nil, bad("tensor %s occurs twice", t.Name)
			}
			seen[t.Name] = true
			if err := t.validate(r.Length); err != nil {
				return nil, err
			}
			if other, ok := roles[roleKey{t.Role, r.Layer, r.Expert}]; ok && t.Role != RoleNone {
				return nil, bad("tensors %s and %s are both %s of the same layer or expert", other, t.Name, t.Role)
			}
			roles[roleKey{t.Role, r.Layer, r.Expert}] = t.Name
			if t.Role != RoleNone && (t.Role.PerLayer() != (r.Layer >= 0) || r.IsExpert() && !t.Role.PerExpert()) {
				return nil, bad("tensor %s is %s, which record %d, layer %d expert %d, cannot hold", t.Name, t.Role, i, r.Layer, r.Expert)
			}
			for k := range j {
				if t.overlaps(&r.Tensors[k]) {
					return nil, bad("tensors %s and %s overlap", r.Tensors[k].Name, t.Name)
				}
			}
		}
	}
	if next != nt {
		return nil, bad("%d tensors belong to no record", nt-next)
	}
	return records, nil
}

// roleKey is what no two tensors with a role have in common.
type roleKey struct {
	role          Role
	layer, expert int
}

// decode reads a directory entry of a file of a version. It must belong to r, the record of the given number.
func (t *Tensor) decode(e, names []byte, record int, r *Record, version uint32) error {
	at, n := int64(le.Uint32(e)), int64(le.Uint32(e[4:]))
	if at > int64(len(names)) || n > int64(len(names))-at || n == 0 || !utf8.Valid(names[at:at+n]) {
		return fmt.Errorf("%w: directory: a tensor of record %d has no proper name", ErrCorrupt, record)
	}
	*t = Tensor{
		Name:       string(names[at : at+n]),
		Type:       quant.Type(e[8]),
		Layout:     Layout(e[9]),
		Transposed: e[10]&bitTransposed != 0,
		Vector:     e[10]&bitVector != 0,
		Role:       Role(e[11]),
	}
	if flags := e[10] &^ tensorBits; flags != 0 {
		return fmt.Errorf("%w: tensor %s has flags %#x, unknown to this program; update st", ErrVersion, t.Name, flags)
	}
	if le.Uint64(e[56:]) != 0 || version == 1 && t.Role != 0 {
		return fmt.Errorf("%w: directory: bytes of tensor %s that must be zero are not", ErrCorrupt, t.Name)
	}
	if version == 1 {
		t.Role = version1Role(t.Name, r)
	}
	if owner := le.Uint32(e[12:]); int64(owner) != int64(record) {
		return fmt.Errorf("%w: directory: tensor %s belongs to record %d and to %d", ErrCorrupt, t.Name, owner, record)
	}
	var v [5]int64
	for i := range v {
		u := le.Uint64(e[16+8*i:])
		if u > math.MaxInt64/2 {
			return fmt.Errorf("%w: directory: tensor %s has a size of %d", ErrCorrupt, t.Name, u)
		}
		v[i] = int64(u)
	}
	t.Rows, t.Cols, t.Offset, t.Stride, t.ScaleOffset = int(v[0]), int(v[1]), v[2], v[3], v[4]
	return nil
}

// overlaps reports whether two valid tensors of one record may share bytes. Tensors whose extents meet must repeat at the
// same stride with their spans apart within it.
func (t *Tensor) overlaps(o *Tensor) bool {
	if t.end() <= o.Offset || o.end() <= t.Offset {
		return false
	}
	if t.Stride != o.Stride || t.Stride < 1 {
		return true
	}
	for _, a := range t.spans() {
		for _, b := range o.spans() {
			// The distance from a to the next repetition of b, and from b to the next one of a, leave room for either.
			d := ((b[0]-a[0])%t.Stride + t.Stride) % t.Stride
			if d < a[1]-a[0] || t.Stride-d < b[1]-b[0] {
				return true
			}
		}
	}
	return false
}
