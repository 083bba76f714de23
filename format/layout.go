package format

import (
	"encoding/json"

	"github.com/zeebo/xxh3"
)

// layout is where everything in a file has its place.
type layout struct {
	records  []Record
	sections []Section // without provenance and usage, which come last
	blobs    [][]byte  // of the first sections
}

func newLayout(meta Meta, records []Record) (*layout, error) {
	config, err := json.Marshal(meta.Config)
	if err != nil {
		return nil, err
	}
	generation, err := json.Marshal(meta.Generation)
	if err != nil {
		return nil, err
	}
	l := &layout{records: records, blobs: [][]byte{config, generation, meta.Tokenizer, []byte(meta.ChatTemplate)}}
	at := int64(headerSize)
	for i, name := range []string{sectionConfig, sectionGeneration, sectionTokenizer, sectionTemplate} {
		flags := uint32(0)
		if i == 0 {
			flags = flagRequired
		}
		l.sections = append(l.sections,
			Section{Name: name, Offset: at, Length: int64(len(l.blobs[i])), Checksum: xxh3.Hash(l.blobs[i]), flags: flags})
		at = alignUp(at+int64(len(l.blobs[i])), denseAlignment)
	}
	dirLength := int64(len(encodeDirectory(records)))
	l.sections = append(l.sections, Section{Name: sectionDirectory, Offset: at, Length: dirLength, flags: flagRequired})
	l.place(alignUp(at+dirLength, Alignment))
	return l, nil
}

// place gives every record its place in the two data sections, the first of which begins at the given offset.
func (l *layout) place(at int64) {
	dense := Section{Name: sectionDense, Offset: at, flags: flagRequired | flagRecords}
	experts := Section{Name: sectionExperts, flags: flagRequired | flagRecords}
	inExperts := false
	for i := range l.records {
		r := &l.records[i]
		if r.IsExpert() && !inExperts {
			dense.Length = alignUp(at, Alignment) - dense.Offset
			at, inExperts = dense.end(), true
			experts.Offset = at
		}
		var end int64
		for j := range r.Tensors {
			end = max(end, r.Tensors[j].end())
		}
		r.Offset, r.Length = at, alignUp(end, r.alignment())
		at += r.Length
	}
	if inExperts {
		experts.Length = at - experts.Offset
	} else {
		dense.Length = alignUp(at, Alignment) - dense.Offset
		experts.Offset = dense.end()
	}
	l.sections = append(l.sections, dense, experts)
}

// experts returns the number of records that are experts.
func (l *layout) experts() (n int) {
	for i := range l.records {
		if l.records[i].IsExpert() {
			n++
		}
	}
	return n
}

// dataEnd returns where the last data section ends.
func (l *layout) dataEnd() int64 { return l.sections[len(l.sections)-1].end() }

// writeMeta writes what is known before the records are.
func (l *layout) writeMeta(raw func(p []byte, at int64)) {
	for i, b := range l.blobs {
		raw(b, l.sections[i].Offset)
	}
}

// writeEnd writes what is known when all records are there, with their checksums. It returns the size of the file.
func (l *layout) writeEnd(p Provenance, raw func(p []byte, at int64)) (size int64, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	provenance := Section{Name: sectionProvenance, Offset: l.dataEnd(), Length: int64(len(text)),
		Checksum: xxh3.Hash(text), flags: flagRequired}
	directory := encodeDirectory(l.records)
	for i := range l.sections {
		if l.sections[i].Name == sectionDirectory {
			l.sections[i].Checksum = xxh3.Hash(directory)
			raw(directory, l.sections[i].Offset)
		}
	}
	raw(text, provenance.Offset)
	sections, end := append(l.sections, provenance), provenance.end()
	if n := l.experts(); n > 0 {
		// Room for what is learned later.
		room := make([]byte, 2*usageBytes(n))
		usage := Section{Name: sectionUsage, Offset: alignUp(end, Alignment), Length: int64(len(room)), flags: flagRecords}
		raw(room, usage.Offset)
		sections, end = append(sections, usage), usage.end()
	}
	raw(encodeHeader(end, sections), 0)
	return end, nil
}
