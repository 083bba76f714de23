// Package format reads and writes .stm files: one language model each, with its weights laid out so that they run as they lie in the
// file and so that one read brings one whole expert. FORMAT.md beside this file is the specification.
//
// A file is a 4 KiB header with a table of sections, the metadata sections (config, generation defaults, tokenizer, chat
// template, provenance), a directory, and two data sections: the dense part, which is always resident, and the experts.
// Data sections are cut into records. A record is the unit of reading and of checking: it has a checksum, and in the
// experts section it is one expert's gate, up and down matrices, aligned to 4 KiB. The directory lists the records and the
// tensors inside them, each with its role: what an architecture binds it by.
//
// [Create] begins a file: the example writes one and reads it again. Files appear complete or not at all: package outfile does that for
// all outputs. [Assemble] makes the same file of records that come in any order, in several runs.
//
// [Open] reads one: [Reader.Role] and [Reader.Expert] find weights, [Reader.ReadRecord] and [Reader.Map] bring them, [Reader.Changed] tells
// whether the file was overwritten meanwhile. [Reader.RecordUsage] is the only method that writes to a file after it was made: it locks it.
//
// A Reader may be used by several goroutines at once; a Writer may not.
package format
