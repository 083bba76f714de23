package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"st/convert"
	"st/convert/hub"
	"st/format/outfile"
)

// What a file that is not complete is called, and the journal beside it: the file's own name with these behind it.
const (
	Suffix        = outfile.PartialSuffix
	JournalSuffix = Suffix + ".journal"
)

// Options say how a model is pulled.
type Options struct {
	// Convert says what the file is made like. Its Create, Report, Origin and Progress are not used. An encoder that reads the weights twice, GPTQ that has no
	// calibration, is refused.
	Convert convert.Options
	// Client is whom to ask; nil: one that the environment describes.
	Client *hub.Client
	// Keep downloads the repository's files into the Hub's cache, where other programs find them too, and converts them from there. What the cache has
	// is used in any case.
	Keep bool
	// Progress, if not nil, is told how far it is, some times a second and at every change of Stage. Calls come one at a time.
	Progress func(Progress)
	// Note, if not nil, is told what a person should know before it is done: that an interrupted run goes on, that the server makes us wait.
	Note func(text string)
	// Window is how many bytes of the source are asked for and not done with, at most: so many are asked for again when the process is killed. 0: 32 MiB.
	Window int64

	free func(dir string) (int64, bool) // tests have small disks
}

// Result tells what Model made.
type Result struct {
	*convert.Result
	Ref    hub.Ref
	ID     string // of the repository, ORG/NAME: it may have been renamed
	Commit string // that the revision stands for
	File   string // the GGUF file that was chosen; "": it was a checkpoint
	// Downloaded is the number of bytes of weights that came over the network in this run.
	Downloaded int64
	// Resumed is the number of bytes of the source that an interrupted run had done.
	Resumed int64
}

// Model makes the file out of the model that ref names. It appears when it is complete: until then it has the name with [Suffix], under which it stays
// when the run ends before, for the next one to go on.
func Model(ctx context.Context, ref hub.Ref, out string, opts Options) (*Result, error) {
	p := newPull(ref, out, opts)
	if err := outfile.Check(out, outfile.Options{Replace: opts.Convert.Force}); err != nil {
		return nil, err
	}
	if opts.Convert.Encoder == convert.GPTQ && opts.Convert.Calibration == nil {
		return nil, fmt.Errorf("the weights of %s are read twice by this encoder: the model %w", ref.ID(), ErrKeepFirst)
	}
	stop := p.report.start(opts.Progress)
	defer stop()
	result, err := p.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	p.report.stage(Done)
	result.Ref, result.Elapsed = ref, time.Since(p.begin)
	return result, nil
}

// Download brings the files of a model into the Hub's cache, and returns what [convert.Run] makes a file of: the directory of a checkpoint, or a GGUF
// file; and for [convert.Options] where that is from.
func Download(ctx context.Context, ref hub.Ref, opts Options) (path string, from map[string]string, err error) {
	p := newPull(ref, "", opts)
	stop := p.report.start(opts.Progress)
	defer stop()
	path, have, _, err := p.download(ctx)
	if err != nil {
		return "", nil, err
	}
	return path, origin(ref, have.repo), nil
}

// origin is what a file says of the repository that it was made of.
func origin(ref hub.Ref, repo *hub.Repository) map[string]string {
	return map[string]string{"repository": ref.Service.String() + "://" + repo.ID, "commit": repo.Commit}
}

// Begun reports whether an interrupted run has left something that the next one goes on with.
func Begun(out string) bool {
	_, err := os.Stat(out + JournalSuffix)
	return err == nil
}

// pull is one run.
type pull struct {
	Options
	ref    hub.Ref
	out    string
	begin  time.Time
	report report
	// damaged are files that the cache has not as they are, by path.
	damaged map[string]bool
}

func newPull(ref hub.Ref, out string, opts Options) *pull {
	p := &pull{Options: opts, ref: ref, out: out, begin: time.Now(), damaged: map[string]bool{}}
	if p.Client == nil {
		config := hub.FromEnvironment()
		config.Note = opts.Note
		config.UserAgent = opts.Convert.Tool
		p.Client = hub.New(config)
	}
	if p.Window == 0 {
		p.Window = 32 << 20
	}
	if p.free == nil {
		p.free = freeSpace
	}
	return p
}

func (p *pull) note(format string, args ...any) {
	if p.Note != nil {
		p.Note(fmt.Sprintf(format, args...))
	}
}

// run downloads first and converts then, or does both at once.
func (p *pull) run(ctx context.Context) (*Result, error) {
	p.report.stage(Resolving)
	if p.Client.Offline() || p.Keep {
		path, kept, result, err := p.download(ctx)
		if err != nil {
			return nil, err
		}
		p.report.stage(Converting)
		opts := p.Convert
		opts.Report, opts.Create = false, nil
		opts.Origin = origin(p.ref, kept.repo)
		opts.Progress = p.report.count
		opts.Check = kept.check
		result.Result, err = convert.Run(ctx, path, p.out, opts)
		if isOdd(err) {
			if damaged := kept.verify(ctx); damaged != nil {
				err = damaged
			}
		}
		return result, err
	}
	return p.stream(ctx)
}

// download brings what is not there, and returns where the model is.
func (p *pull) download(ctx context.Context) (path string, have *kept, result *Result, err error) {
	p.report.stage(Resolving)
	repo, dir, err := p.openKept(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	file, err := p.choose(repo)
	if err != nil {
		return "", nil, nil, err
	}
	result = &Result{ID: repo.ID, Commit: repo.Commit, File: file}
	if dir == "" {
		var before int64
		files, err := p.needed(ctx, repo, file)
		if err != nil {
			return "", nil, nil, err
		}
		for _, f := range files {
			if _, ok := repo.Cached(f); ok {
				before += f.Size
			}
		}
		if err := p.checkRoomFor(repo, files, before); err != nil {
			return "", nil, nil, err
		}
		p.report.begin(Pulling, total(files), 0)
		dir, err = repo.Keep(ctx, files, func(f *hub.File, n int64) {
			p.report.file(f.Path)
			p.report.add(n)
		})
		if err != nil {
			return "", nil, nil, err
		}
		result.Downloaded = total(files) - before
	}
	return filepath.Join(dir, filepath.FromSlash(file)), &kept{repo, dir}, result, nil
}

// openKept opens the repository: offline by what the cache has, with its directory.
func (p *pull) openKept(ctx context.Context) (repo *hub.Repository, dir string, err error) {
	if p.Client.Offline() {
		return p.Client.OpenCached(p.ref)
	}
	repo, err = p.Client.Open(ctx, p.ref)
	return repo, "", err
}

// choose chooses what of the repository is converted.
func (p *pull) choose(repo *hub.Repository) (file string, err error) {
	file, same, err := choose(repo, &p.Convert)
	if same {
		p.Convert.Keep = true // its blocks are what is asked for
	}
	return file, err
}

func total(files []*hub.File) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// checkRoomFor fails if what is missing does not fit into the cache.
func (p *pull) checkRoomFor(repo *hub.Repository, files []*hub.File, have int64) error {
	dir := p.Client.CacheDir()
	for dir != "" {
		if _, err := os.Stat(dir); err == nil {
			break
		} else if filepath.Dir(dir) == dir {
			return nil
		}
		dir = filepath.Dir(dir)
	}
	need := total(files) - have
	if free, ok := p.free(dir); ok && need > free {
		return fmt.Errorf("%w of %s: the files of %s need %d bytes, %d are free", ErrDisk, dir, repo.ID, need, free)
	}
	return nil
}

// isGone reports whether an error says that a commit is not there any more.
func isGone(err error) bool {
	return errors.Is(err, hub.ErrRevision) || errors.Is(err, hub.ErrNoFile) || errors.Is(err, hub.ErrNotFound)
}
