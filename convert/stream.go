package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"st/convert/checkpoint"
	"st/convert/gguf"
	"st/format"
	"st/format/outfile"
)

// Sentinel errors of streams.
var (
	// ErrScattered is about a source whose tensors lie so that it cannot be converted in the order of its bytes.
	ErrScattered = errors.New("the tensors lie too far apart to be converted while they come")
	// ErrHeadsDiffer is about a head that was taken for a copy of the embeddings, since it begins like them, and is none: the stream is to be
	// opened again with StreamOptions.HeadsDiffer.
	ErrHeadsDiffer = errors.New("the head is no copy of the embeddings")
)

// StreamOptions say what a stream makes.
type StreamOptions struct {
	Options
	// HeadsDiffer: the head is known to be no copy of the embeddings.
	HeadsDiffer bool
}

// Stream is a conversion whose weights come in the order of their files' bytes, once, as they do over a network. The plan is the one of [Run],
// cut into jobs: a job needs some bytes of the source and makes some bytes of the file, so it can be done as soon as its bytes are there. Jobs
// are numbered by where the bytes that they need begin. The weight files are taken as one run of bytes, one file after the other.
//
// What was done is told by a [JobResult] each, so that another process can go on.
type Stream struct {
	in      input
	m       *material
	p       *plan
	opts    Options
	files   *streamFiles
	jobs    []*job
	pairs   [][2][]*job    // jobs that have to give the same for head and embeddings
	locks   [16]sync.Mutex // of records, for jobs that make a part of one
	begin   time.Time
	guessed bool
}

// OpenStream reads headers and small files, and plans. path is a directory of a checkpoint or a GGUF file in files.
func OpenStream(files checkpoint.Files, path string, opts StreamOptions) (*Stream, error) {
	s := &Stream{opts: opts.Options, begin: time.Now(), files: newStreamFiles(files)}
	if err := s.open(path, opts.HeadsDiffer); err != nil {
		err = diagnose(files, path, s.in, err)
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stream) open(path string, differ bool) error {
	var pairs [][2]tensor
	same := func(a, b tensor) (bool, error) {
		if differ {
			return false, nil
		}
		same, err := sampleTensors(a, b)
		if same {
			pairs = append(pairs, [2]tensor{a, b})
		}
		return same, err
	}
	if strings.HasSuffix(strings.ToLower(path), ".gguf") {
		f, err := gguf.OpenWith(path, func(path string) (io.ReaderAt, int64, error) {
			f, err := s.files.Open(path)
			if err != nil {
				return nil, 0, err
			}
			return f, f.Size(), nil
		})
		if err != nil {
			return err
		}
		s.in = &ggufSource{f, same, s.opts.NoHeadPredictor}
	} else {
		src, err := openSourceFrom(s.files, path, nil, &s.opts)
		if err != nil {
			return err
		}
		src.same = same
		s.in = src
	}
	var err error
	if s.m, err = s.in.read(); err != nil {
		return err
	}
	if s.p, err = s.m.plan(&s.opts); err != nil {
		return err
	}
	s.files.order(s.in.weightFiles())
	s.guessed = len(pairs) > 0
	return s.makeJobs(pairs)
}

// Close closes the source's files.
func (s *Stream) Close() error {
	if s.in == nil {
		return nil
	}
	return s.in.close()
}

// SmallFiles returns the paths of the files that were read whole, and WeightFiles of those that are to come.
func (s *Stream) SmallFiles() []string  { return s.in.smallFiles() }
func (s *Stream) WeightFiles() []string { return s.in.weightFiles() }

// Begins returns where the bytes begin that each job needs, in rising order, and Ends where they end.
func (s *Stream) Begins() []int64 {
	all := make([]int64, len(s.jobs))
	for i, j := range s.jobs {
		all[i] = j.begin
	}
	return all
}

// Ends returns where the bytes end that each job needs.
func (s *Stream) Ends() []int64 {
	all := make([]int64, len(s.jobs))
	for i, j := range s.jobs {
		all[i] = j.end
	}
	return all
}

// Reach returns how many bytes of the source a job needs at once, at most.
func (s *Stream) Reach() (n int64) {
	for _, j := range s.jobs {
		n = max(n, j.end-j.begin)
	}
	return n
}

// Identity tells what is made, and from what: jobs that were done for another stream of the same identity count for this one.
func (s *Stream) Identity() (string, error) {
	type place struct {
		Spans []span
		From  int
		To    int
	}
	places := make([]place, len(s.jobs))
	for i, j := range s.jobs {
		places[i] = place{j.spans, j.from, j.to}
	}
	h := sha256.New()
	err := json.NewEncoder(h).Encode([]any{s.opts.Tool, s.opts.provenance(s.p.arch, s.p.keep), s.opts.AllowNonfinite, s.m.meta, s.p.records, places})
	return hex.EncodeToString(h.Sum(nil)), err
}

// Assemble begins the file, or goes on with what is there.
func (s *Stream) Assemble(file *outfile.Partial) (*format.Assembly, error) {
	return format.Assemble(file, s.m.meta, s.p.records)
}

// Commit completes the file when all jobs are done.
func (s *Stream) Commit(ctx context.Context, a *format.Assembly, dst string, done []JobResult, sources []format.SourceFile) (*Result, error) {
	for _, pair := range s.pairs {
		for i := range pair[0] {
			if done[pair[0][i].number].Sum != done[pair[1][i].number].Sum {
				return nil, ErrHeadsDiffer
			}
		}
	}
	var nonfinite int64
	for i, j := range s.jobs {
		nonfinite += done[i].Nonfinite
		if j.kind == wholeExpert {
			a.SetChecksum(j.record, done[i].Sum)
		}
	}
	notes, provenance := s.p.provenance(s.m, s.opts, sources, nonfinite)
	if err := a.Commit(ctx, provenance); err != nil {
		return nil, err
	}
	return s.p.result(dst, notes, s.begin)
}

// sampleTensors compares some rows of two tensors.
func sampleTensors(a, b tensor) (bool, error) {
	if !slices.Equal(a.Shape(), b.Shape()) || a.Rows() == 0 {
		return false, nil
	}
	x, y := make([]float32, a.Cols()), make([]float32, a.Cols())
	var buf readBuffer
	for _, r := range []int{0, a.Rows() / 3, a.Rows() / 2, a.Rows() - 1} {
		if err := a.Read(x, r, 1, &buf); err != nil {
			return false, err
		}
		if err := b.Read(y, r, 1, &buf); err != nil {
			return false, err
		}
		if !slices.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}

// errBefore is about bytes of the source that are no longer, or not yet, there.
func errBefore(path string, from, to int64) error {
	return fmt.Errorf("%s: bytes %d to %d are not at hand", path, from, to)
}
