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
	if len(b) < dirHeaderSize {
		return nil, badDirectory("it has only %d bytes", len(b))
	}
	nr, nt, nn := int64(le.Uint32(b)), int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:]))
	if int64(len(b)) != dirHeaderSize+nr*recordSize+nt*tensorSize+nn {
		return nil, badDirectory("%d records, %d tensors and %d bytes of names do not make %d bytes", nr, nt, nn, len(b))
	}
	if le.Uint32(b[12:]) != 0 {
		return nil, badDirectory("bytes 12 to 15 are not zero")
	}
	entries, b := b[dirHeaderSize:], b[dirHeaderSize+nr*recordSize:]
	d := directory{
		entries: b, names: b[nt*tensorSize:], version: version, tensors: make([]Tensor, nt),
		seen: make(map[string]bool, nt), roles: make(map[roleKey]string, nt),
		sections: [2]Section{dense, experts}, end: [2]int64{dense.Offset, experts.Offset},
	}
	records := make([]Record, nr)
	for i := range records {
		if err := d.record(i, &records[i], entries[i*recordSize:]); err != nil {
			return nil, err
		}
	}
	if d.next != nt {
		return nil, badDirectory("%d tensors belong to no record", nt-d.next)
	}
	return records, nil
}

func badDirectory(what string, args ...any) error {
	return fmt.Errorf("%w: directory: %s", ErrCorrupt, fmt.Sprintf(what, args...))
}

// directory is what is known of a directory while its records are decoded, one after the other.
type directory struct {
	entries []byte // of tensors
	names   []byte
	version uint32

	tensors []Tensor
	next    int64              // the first tensor of the next record
	seen    map[string]bool    // names of tensors
	roles   map[roleKey]string // which tensor has a role

	sections [2]Section // dense, experts
	end      [2]int64   // where the last record of each ends
}

// record decodes record i, and its tensors, from its entry.
func (d *directory) record(i int, r *Record, entry []byte) error {
	r.Layer, r.Expert = int(int32(le.Uint32(entry))), int(int32(le.Uint32(entry[4:])))
	first, count := int64(le.Uint32(entry[8:])), int64(le.Uint32(entry[12:]))
	r.Checksum = le.Uint64(entry[40:])
	if first != d.next || count < 1 || count > int64(len(d.tensors))-first {
		return badDirectory("record %d does not begin where the one before it ends", i)
	}
	d.next = first + count
	r.Tensors = d.tensors[first:d.next:d.next]
	if le.Uint64(entry[16:]) != 0 {
		return badDirectory("bytes 16 to 23 of record %d are not zero", i)
	}
	if r.Layer < -1 || r.Expert < -1 || r.Layer >= MaxLayers || r.Expert >= maxExperts || r.IsExpert() && r.Layer < 0 {
		return badDirectory("record %d is layer %d expert %d", i, r.Layer, r.Expert)
	}
	if err := d.place(i, r, le.Uint64(entry[24:]), le.Uint64(entry[32:])); err != nil {
		return err
	}
	for j := range r.Tensors {
		if err := r.Tensors[j].decode(d.entries[(first+int64(j))*tensorSize:], d.names, i, r, d.version); err != nil {
			return err
		}
		if err := d.tensor(i, r, j); err != nil {
			return err
		}
	}
	return nil
}

// place sets where record i lies: in its section, behind the record before it.
func (d *directory) place(i int, r *Record, offset, length uint64) error {
	s := 0
	if r.IsExpert() {
		s = 1
	}
	end := d.sections[s].end()
	if offset > math.MaxInt64 || length > math.MaxInt64 || int64(offset) < d.end[s] || int64(offset) > end || int64(length) > end-int64(offset) {
		return badDirectory("record %d lies outside its section or overlaps another", i)
	}
	r.Offset, r.Length = int64(offset), int64(length)
	if r.Offset%r.alignment() != 0 || r.Length%r.alignment() != 0 {
		return badDirectory("record %d is not aligned to %d bytes", i, r.alignment())
	}
	d.end[s] = r.Offset + r.Length
	return nil
}

// tensor checks tensor j of record i against the record, and against all tensors before it.
func (d *directory) tensor(i int, r *Record, j int) error {
	t := &r.Tensors[j]
	if d.seen[t.Name] {
		return badDirectory("tensor %s occurs twice", t.Name)
	}
	d.seen[t.Name] = true
	if err := t.validate(r.Length); err != nil {
		return err
	}
	key := roleKey{t.Role, r.Layer, r.Expert}
	if other, ok := d.roles[key]; ok && t.Role != RoleNone {
		return badDirectory("tensors %s and %s are both %s of the same layer or expert", other, t.Name, t.Role)
	}
	d.roles[key] = t.Name
	if t.Role != RoleNone && (t.Role.PerLayer() != (r.Layer >= 0) || r.IsExpert() && !t.Role.PerExpert()) {
		return badDirectory("tensor %s is %s, which record %d, layer %d expert %d, cannot hold", t.Name, t.Role, i, r.Layer, r.Expert)
	}
	for k := range j {
		if t.overlaps(&r.Tensors[k]) {
			return badDirectory("tensors %s and %s overlap", r.Tensors[k].Name, t.Name)
		}
	}
	return nil
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
		return badDirectory("a tensor of record %d has no proper name", record)
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
		return badDirectory("bytes of tensor %s that must be zero are not", t.Name)
	}
	if version == 1 {
		t.Role = version1Role(t.Name, r)
	}
	if owner := le.Uint32(e[12:]); int64(owner) != int64(record) {
		return badDirectory("tensor %s belongs to record %d and to %d", t.Name, owner, record)
	}
	var v [5]int64
	for i := range v {
		u := le.Uint64(e[16+8*i:])
		if u > math.MaxInt64/2 {
			return badDirectory("tensor %s has a size of %d", t.Name, u)
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
