// Package format reads and writes .stm files: one SmallThinker model each, with its weights laid out so that they run as
// they lie in the file and so that one read brings one whole expert. FORMAT.md beside this file is the specification.
//
// A file is a 4 KiB header with a table of sections, the metadata sections (config, generation defaults, tokenizer, chat
// template, provenance), a directory, and two data sections: the dense part, which is always resident, and the experts.
// Data sections are cut into records. A record is the unit of reading and of checking: it has a checksum, and in the
// experts section it is one expert's gate, up and down matrices, aligned to 4 KiB. The directory lists the records and the
// tensors inside them.
//
// Write a file, record by record in the order given:
//
//	w, err := format.Create(path, meta, records, format.CreateOptions{})
//	defer w.Abort()              // removes what was written, unless it was committed
//	for … { w.Write(bytes) }     // records one after the other, in pieces of any size
//	err = w.Commit(provenance)   // checks that nothing is missing, syncs, renames
//
// Read one:
//
//	r, err := format.Open(path)  // header, metadata and directory are validated; no weights are read
//	defer r.Close()
//	rec, _ := r.Expert(3, 17)
//	buf := make([]byte, rec.Length)
//	err = r.ReadRecord(rec, buf) // reads and checks; the error names layer and expert
//	up := rec.Tensors[1].DecodeRow(dst, buf, 5)
//
// A Reader may be used by several goroutines at once; a Writer may not.
package format
