package pull

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"st/convert"
	"st/convert/hub"
	"st/format"
	"st/format/outfile"
)

// stream converts while it downloads.
func (p *pull) stream(ctx context.Context) (*Result, error) {
	part, err := outfile.Continue(p.out, outfile.Options{Replace: p.Convert.Force})
	if err != nil {
		return nil, err
	}
	defer part.Close()
	journalPath := p.out + JournalSuffix
	old, err := openJournal(journalPath)
	if err != nil {
		return nil, err
	}
	defer func() { old.close() }()
	repo, err := p.Client.Open(ctx, p.ref)
	if err != nil {
		return nil, p.withoutNothing(part, old, err)
	}
	repo, old = p.pinned(ctx, repo, old)
	differ := old != nil && old.header.Differ
	for {
		s := &session{pull: p, part: part, repo: repo, old: old, journalPath: journalPath, differ: differ}
		result, err := s.run(ctx)
		s.close()
		old = s.old
		switch {
		case errors.Is(err, convert.ErrHeadsDiffer) && !differ:
			differ, old = true, nil
			p.note("the head only begins like the embeddings: the file is begun anew, with a head of its own")
			continue
		case errors.Is(err, hub.ErrDamaged):
			p.note("%v: it is downloaded instead", err)
			old.close()
			if old, err = openJournal(journalPath); err != nil {
				return nil, err
			}
			continue
		case err != nil && s.journal == nil:
			err = p.withoutNothing(part, old, err)
		}
		return result, err
	}
}

// withoutNothing removes a partial file in which nothing is: there is nothing to go on with.
func (p *pull) withoutNothing(part *outfile.Partial, old *journal, err error) error {
	if old == nil && part.Size() == 0 {
		part.Close()
		os.Remove(p.out + Suffix)
	}
	return err
}

// pinned returns the repository at the commit that an interrupted run began with, and the journal; nil if that does not count.
func (p *pull) pinned(ctx context.Context, repo *hub.Repository, old *journal) (*hub.Repository, *journal) {
	if old == nil {
		return repo, nil
	}
	if old.header.Ref != p.ref.String() {
		p.note("an interrupted run was of %s: it is begun anew", old.header.Ref)
		old.close()
		return repo, nil
	}
	if old.header.Commit == repo.Commit {
		return repo, old
	}
	restored, err := p.Client.Restore(p.ref, old.header.ID, old.header.Commit, old.header.Files)
	if err != nil {
		p.note("the journal of an interrupted run cannot be used: it is begun anew")
		old.close()
		return repo, nil
	}
	for i := range restored.Files { // is it still there?
		if f := &restored.Files[i]; f.Size > 0 {
			err = restored.Fetch(ctx, f, 0, make([]byte, 1))
			break
		}
	}
	if isGone(err) {
		p.note("the commit %.12s that an interrupted run began with is gone: it is begun anew with %.12s", old.header.Commit, repo.Commit)
		old.close()
		return repo, nil
	}
	p.note("%s was changed: the interrupted run goes on with commit %.12s, which it began with; %.12s is newer", repo.ID, old.header.Commit, repo.Commit)
	return restored, old
}

// session is an attempt to make the file from one commit.
type session struct {
	*pull
	part        *outfile.Partial
	repo        *hub.Repository
	old         *journal // of an interrupted run; nil: none
	journal     *journal // in use; nil: not yet
	journalPath string
	differ      bool

	files    *repoFiles
	stream   *convert.Stream
	assembly *format.Assembly
}

func (s *session) close() {
	if s.stream != nil {
		s.stream.Close()
	}
	s.journal.close()
}

func (s *session) run(ctx context.Context) (*Result, error) {
	file, err := s.choose(s.repo)
	if err != nil {
		return nil, err
	}
	if file == "" && checkpointKind(s.repo.Files) == ".bin" {
		return nil, fmt.Errorf("%s has torch weights, whose parts lie in no order: the model %w", s.repo.ID, ErrKeepFirst)
	}
	s.Convert.Origin = origin(s.ref, s.repo)
	s.files = newRepoFiles(ctx, s.repo)
	s.files.damaged = s.damaged
	s.stream, err = convert.OpenStream(s.files, s.files.path(file), convert.StreamOptions{Options: s.Convert, HeadsDiffer: s.differ})
	if errors.Is(err, convert.ErrScattered) {
		return nil, fmt.Errorf("%w: the model %w", err, ErrKeepFirst)
	}
	if err != nil {
		return nil, s.orDamaged(ctx, err)
	}
	if s.assembly, err = s.stream.Assemble(s.part); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, file); err != nil {
		return nil, err
	}
	weights, err := s.weights()
	if err != nil {
		return nil, err
	}
	done, position, hash, sums := s.journal.last()
	window := max(s.Window, s.stream.Reach()+2*s.Client.PieceBytes())
	f, err := newFeed(ctx, weights, s.stream.Begins(), position, hash, sums, window)
	if err != nil {
		return nil, err
	}
	defer f.close()
	result := &Result{ID: s.repo.ID, Commit: s.repo.Commit, File: file, Resumed: position}
	results, err := s.convert(ctx, f, done, position)
	result.Downloaded, _ = f.stream.Received()
	if err != nil {
		if f.failed >= 0 { // what came of this file, and what was made of it, is worth nothing
			err = errors.Join(s.orDamaged(ctx, err), s.drop(f.bases[f.failed]))
		} else if isOdd(err) {
			err = errors.Join(s.orDamaged(ctx, err), s.drop(f.unchecked())) // it may have been damaged on its way
		}
		return nil, err
	}
	result.Result, err = s.finish(ctx, results, f.sums)
	return result, err
}

// orDamaged returns an error of the conversion, or [hub.ErrDamaged] if a file of the cache is the reason. That file is not used any more.
func (s *session) orDamaged(ctx context.Context, err error) error {
	for _, h := range s.files.heads {
		if h.local == "" || s.damaged[h.file.Path] {
			continue
		}
		if e := h.file.Verify(ctx, h.local); errors.Is(e, hub.ErrDamaged) {
			s.damaged[h.file.Path] = true
			return e
		}
	}
	return err
}

// weights returns the weight files in their order.
func (s *session) weights() (all []*headFile, err error) {
	for _, p := range s.stream.WeightFiles() {
		f, err := s.files.Open(p)
		if err != nil {
			return nil, err
		}
		all = append(all, f.(*headFile))
	}
	return all, nil
}

// begin checks what an interrupted run had done, or begins anew.
func (s *session) begin(ctx context.Context, file string) error {
	identity, err := s.stream.Identity()
	if err != nil {
		return err
	}
	if s.old != nil && s.old.header.What != identity {
		s.note("an interrupted run had other options, or was of another version: it is begun anew")
		s.old.close()
		s.old = nil
	}
	if s.old != nil {
		s.journal, s.old = s.old, nil
		return s.resume(ctx)
	}
	if err := s.part.Truncate(0); err != nil {
		return err
	}
	if err := s.checkRoom(); err != nil {
		return err
	}
	if err := s.part.Truncate(s.assembly.Bytes()); err != nil {
		return err
	}
	s.journal, err = newJournal(s.journalPath, header{Ref: s.ref.String(), ID: s.repo.ID, Commit: s.repo.Commit, Path: file, Files: s.repo.Files, What: identity, Differ: s.differ, Total: s.total()})
	return err
}

// resume verifies what is there.
func (s *session) resume(ctx context.Context) error {
	if err := s.checkRoom(); err != nil {
		return err
	}
	done, position, _, _ := s.journal.last()
	s.report.begin(Resuming, position, 0)
	good, err := s.stream.Verify(ctx, s.assembly, done, func(at int64) { s.report.count(at, position) })
	if err != nil {
		return err
	}
	if good < len(done) {
		s.note("%d of %d parts that an interrupted run had made are not on the disk as they were: they are made again", len(done)-good, len(done))
		if err := s.journal.keep(s.journal.before(good, math.MaxInt64)); err != nil {
			return err
		}
		_, position, _, _ = s.journal.last()
	}
	if position > 0 {
		s.note("an interrupted run goes on after %d of %d bytes", position, s.total())
	}
	return nil
}

func (s *session) total() (n int64) {
	for _, p := range s.stream.WeightFiles() {
		if info, err := s.files.Stat(p); err == nil {
			n += info.Size()
		}
	}
	return n
}

// checkRoom fails if the file does not fit on the disk.
func (s *session) checkRoom() error {
	const spare = 16 << 20 // for the journal, and what others write
	need := s.assembly.Bytes() - allocated(s.out+Suffix) + spare
	dir := filepath.Dir(s.out)
	if free, ok := s.free(dir); ok && need > free {
		return fmt.Errorf("%w of %s: the file needs %d more bytes, %d are free", ErrDisk, dir, need, free)
	}
	return nil
}

// convert brings the bytes and converts them.
func (s *session) convert(ctx context.Context, f *feed, done []convert.JobResult, position int64) ([]convert.JobResult, error) {
	all := s.total()
	s.report.begin(Pulling, all, position)
	s.report.update(func(*Progress) { s.report.network = f.stream.Received })
	return s.stream.Run(ctx, s.assembly, convert.StreamRun{
		Feed: f, From: position, Done: done,
		Journal: func(more []convert.JobResult, at int64) error {
			if err := s.journal.write(f.entry(more, at)); err != nil {
				return err
			}
			s.report.count(at, all)
			s.report.file(f.fileAt(at))
			return s.journal.sync(s.part)
		},
		Progress: s.report.what,
	})
}

// drop forgets what was made of bytes from a position on.
func (s *session) drop(position int64) error {
	jobs := slices.IndexFunc(s.stream.Ends(), func(end int64) bool { return end > position })
	if jobs < 0 {
		jobs = math.MaxInt
	}
	return s.journal.keep(s.journal.before(jobs, position))
}

// finish gives the file its name.
func (s *session) finish(ctx context.Context, results []convert.JobResult, sums map[string]string) (*convert.Result, error) {
	s.report.stage(Finishing)
	var sources []format.SourceFile
	for _, p := range s.stream.SmallFiles() {
		f, err := s.files.sourceFile(p)
		if err != nil {
			return nil, err
		}
		sources = append(sources, f)
	}
	for _, p := range s.stream.WeightFiles() {
		f, err := s.files.lookup("open", p)
		if err != nil {
			return nil, err
		}
		sources = append(sources, format.SourceFile{Name: filepath.Base(p), Bytes: f.Size, SHA256: sums[f.Path]})
	}
	result, err := s.stream.Commit(ctx, s.assembly, s.out, results, sources)
	if err != nil {
		return nil, err
	}
	return result, s.journal.remove()
}
