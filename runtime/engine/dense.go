package engine

import (
	"context"
	"fmt"
	"slices"

	"st/format"
)

// denseMemory holds the dense part of a file: the whole file as it is mapped, or a copy of that part.
type denseMemory struct {
	data    []byte
	block   *block                   // of a copy
	at      map[*format.Record]int64 // of a copy: where records begin in data
	without []*format.Record         // tables that the copy does not have, since rows of them are read one by one
	pieces  *ffnPieces               // of a copy: records that it does not have, since parts of them come and go; nil: none
}

// has reports whether a record is in memory, or mapped into it.
func (d *denseMemory) has(rec *format.Record) bool { return !slices.Contains(d.without, rec) }

func (d *denseMemory) record(rec *format.Record) []byte {
	at := rec.Offset
	if d.at != nil {
		at = d.at[rec]
	}
	return d.data[at:][:rec.Length]
}

// readChunk is how much of the dense part is read at once.
const readChunk = 1 << 20

// denseRecords returns the dense records that stay in memory, and the tables of which a token reads a row: that of the layers' own embeddings,
// and the embedding table if it is not the head too. Records that are cut into pieces are among neither.
func denseRecords(r *format.Reader, pieces *ffnPieces) (resident, tables []*format.Record) {
	table, _, isHead := embedRecord(r)
	perLayer, _, _ := r.Role(format.RolePerLayerEmbedding, -1)
	for i := range r.Records() {
		switch rec := &r.Records()[i]; {
		case !slices.ContainsFunc(rec.Tensors, func(t format.Tensor) bool { return !t.Role.HeadPredictor() }): // which few read: see sparseHead
		case rec.IsExpert() || pieces.has(rec):
		case rec == table && !isHead || rec == perLayer:
			tables = append(tables, rec)
		default:
			resident = append(resident, rec)
		}
	}
	return resident, tables
}

// verifiedTables returns the tables that are verified when a model is opened. That of the layers' own embeddings can be most of the file: reading it
// would take longer than anything else, and tokens read few of its rows.
func verifiedTables(r *format.Reader, tables []*format.Record) []*format.Record {
	perLayer, _, _ := r.Role(format.RolePerLayerEmbedding, -1)
	return slices.DeleteFunc(slices.Clone(tables), func(rec *format.Record) bool { return rec == perLayer })
}

// tableEnd returns where the table of the layers' own embeddings ends that begins the dense part, in whole large pages; 0: there is none.
func tableEnd(r *format.Reader) int64 {
	perLayer, _, ok := r.Role(format.RolePerLayerEmbedding, -1)
	if !ok || perLayer != &r.Records()[0] {
		return 0
	}
	const largePage = 2 << 20
	return (perLayer.Offset + perLayer.Length) / largePage * largePage
}

// pages returns the run of whole pages that hold the bytes [from, to) of a file.
func pages(from, to int64) (int64, int64) {
	return from / format.Alignment * format.Alignment, (to + format.Alignment - 1) / format.Alignment * format.Alignment
}

// denseRun is a run of whole pages of a file, and where it begins in a copy.
type denseRun struct {
	from, to, at int64
}

// denseRuns returns the pages that some records lie in, which are in the order of the file, and how many bytes that are.
func denseRuns(records []*format.Record) (runs []denseRun, bytes int64) {
	for _, rec := range records {
		from, to := pages(rec.Offset, rec.Offset+rec.Length)
		if n := len(runs); n > 0 && from <= runs[n-1].to {
			bytes += max(0, to-runs[n-1].to)
			runs[n-1].to = max(to, runs[n-1].to)
			continue
		}
		runs = append(runs, denseRun{from, to, bytes})
		bytes += to - from
	}
	return runs, bytes
}

// denseBytes returns the memory that a copy of the dense part takes, apart from an embedding table of which rows are read, and from what is cut into
// pieces.
func denseBytes(r *format.Reader, pieces *ffnPieces) int64 {
	resident, _ := denseRecords(r, pieces)
	_, bytes := denseRuns(resident)
	return bytes
}

// loadDense reads the dense part past the page cache, and verifies it; a table of which only rows are used is verified too,
// but not kept.
func loadDense(ctx context.Context, r *format.Reader, f format.File, cut *ffnPieces, p *pool, m *memory) (denseMemory, error) {
	resident, tables := denseRecords(r, cut)
	if len(resident) == 0 {
		return denseMemory{}, fmt.Errorf("%s has no dense part", r.Path())
	}
	runs, bytes := denseRuns(resident)
	b, err := m.newBlock(forDense, bytes)
	if err != nil {
		return denseMemory{}, err
	}
	d := denseMemory{data: b.bytes(), block: b, at: map[*format.Record]int64{}, without: tables, pieces: cut}

	// What is read: whole pages, in pieces that the threads share. Records that share a page are read together.
	type piece struct {
		rec      *format.Record
		from, to int64
		at       int64
	}
	var pieces []piece
	next := 0
	for _, run := range runs {
		for from := run.from; from < run.to; {
			to := min(run.to, from+readChunk)
			for next < len(resident)-1 && resident[next].Offset+resident[next].Length <= from {
				next++
			}
			pieces = append(pieces, piece{resident[next], from, to, run.at + from - run.from})
			from = to
		}
	}
	i := 0
	for _, rec := range resident {
		for rec.Offset >= runs[i].to {
			i++
		}
		d.at[rec] = runs[i].at + rec.Offset - runs[i].from
	}
	verify := verifiedTables(r, tables)
	err = eachError(ctx, p, len(pieces)+len(verify), func(i int) error {
		if i < len(pieces) {
			return r.ReadPart(f, pieces[i].rec, d.data[pieces[i].at:][:pieces[i].to-pieces[i].from], pieces[i].from)
		}
		return r.VerifyRecord(ctx, f, verify[i-len(pieces)])
	})
	if err == nil {
		err = eachError(ctx, p, len(resident), func(i int) error { return r.Check(resident[i], d.record(resident[i])) })
	}
	if err != nil {
		b.free()
		return denseMemory{}, err
	}
	return d, nil
}

// eachError calls do for every i in [0, n), on all threads, until ctx is cancelled, and returns the error of the lowest i that has one.
func eachError(ctx context.Context, p *pool, n int, do func(i int) error) error {
	errs := make([]error, n)
	each := task(func(_, from, to int) {
		for i := from; i < to; i++ {
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = do(i)
			}
		}
	})
	if err := p.each(n, &each); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
