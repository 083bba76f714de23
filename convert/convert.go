package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"time"

	"st/format"
	"st/quant"
)

// Options say what Run makes.
type Options struct {
	// Type is the type of the weight matrices. Norms and routers are always F32.
	Type quant.Type
	// Embed is the type of the table that token embeddings are looked up in; nil means [EmbedType] of Type.
	Embed *quant.Type
	// Threads is the number of goroutines that quantize; 0 means one per CPU.
	Threads int
	// Force allows an existing target to be replaced.
	Force bool
	// AllowNonfinite goes on when a weight is NaN or infinite.
	AllowNonfinite bool
	// Tool is recorded as the program that wrote the file.
	Tool string
	// Progress, if not nil, is told how many bytes of the source's weights were read, of how many. Calls come from several
	// goroutines.
	Progress func(done, total int64)
	// Create makes the output file; nil makes one on disk. Tests put a full disk behind it.
	Create func(path string) (format.OutFile, error)
}

// Result tells what Run made.
type Result struct {
	Tensors     int
	SourceBytes int64 // bytes of weights read
	OutputBytes int64 // size of the file written
	Elapsed     time.Duration
	Fallbacks   []Fallback
	Notes       []string // what else the user should know
}

// Fallback is a tensor whose rows a block type cannot hold: it is stored as Used.
type Fallback struct {
	Tensor      string
	Cols        int // weights in a row
	Asked, Used quant.Type
}

// fallbackNotes tells of fallbacks in one line for each length of rows and pair of types.
func fallbackNotes(all []Fallback) []string {
	count := map[Fallback]int{}
	var kinds []Fallback
	for _, f := range all {
		f.Tensor = ""
		if count[f] == 0 {
			kinds = append(kinds, f)
		}
		count[f]++
	}
	var notes []string
	for _, f := range kinds {
		notes = append(notes, fmt.Sprintf("%d tensors have rows of %d weights, which %s cannot hold: stored as %s",
			count[f], f.Cols, f.Asked, f.Used))
	}
	return notes
}

// Run converts the checkpoint at src, a directory or a weights file beside its config.json, into the file dst. The target
// appears when it is complete and not before; on any error, or when ctx is cancelled, nothing is left behind.
func Run(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	begin := time.Now()
	s, err := openSource(src)
	if err != nil {
		return nil, err
	}
	defer s.weights.Close()
	if err := s.checkTarget(dst); err != nil {
		return nil, err
	}
	if opts.Threads <= 0 {
		opts.Threads = goruntime.GOMAXPROCS(0)
	}
	meta, notes, err := s.meta()
	if err != nil {
		return nil, err
	}
	if err := s.settleHead(meta, &notes); err != nil {
		return nil, err
	}
	embed := EmbedType(opts.Type)
	if opts.Embed != nil {
		embed = *opts.Embed
	}
	p, err := newPlan(&meta.Config, s, opts.Type, embed)
	if err != nil {
		return nil, err
	}
	w, err := format.Create(dst, *meta, p.records, format.CreateOptions{Force: opts.Force, Create: opts.Create})
	if err != nil {
		return nil, err
	}
	defer w.Abort()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hashes := hashFiles(ctx, s.files())
	nonfinite, err := p.write(ctx, w, opts)
	if err != nil {
		return nil, interrupted(err)
	}
	sources, err := hashes()
	if err != nil {
		return nil, interrupted(err)
	}
	if nonfinite > 0 {
		notes = append(notes, fmt.Sprintf("%d weights are NaN or infinite", nonfinite))
	}
	provenance := format.Provenance{
		Tool:    opts.Tool,
		Options: map[string]string{"type": opts.Type.String(), "embed": embed.String()},
		Sources: sources,
		Notes:   append(slices.Clone(notes), fallbackNotes(p.fallbacks)...),
	}
	if err := w.Commit(provenance); err != nil {
		return nil, err
	}
	result := &Result{SourceBytes: p.sourceBytes, Elapsed: time.Since(begin), Fallbacks: p.fallbacks, Notes: notes}
	for i := range p.records {
		result.Tensors += len(p.records[i].Tensors)
	}
	info, err := os.Stat(dst)
	if err != nil {
		return nil, err
	}
	result.OutputBytes = info.Size()
	return result, nil
}

// interrupted gives a cancelled context one face, wherever it was noticed.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return err
}
