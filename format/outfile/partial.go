package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"st/format/filelock"
)

// PartialSuffix is what the name of a file ends with that is written in more than one run.
const PartialSuffix = ".part"

// Partial is an output that stays under its partial name, NAME.part, when a run ends before it is complete, so that the next one can go on.
// Whoever writes it holds its lock. ReadAt and WriteAt may be called by several goroutines at once.
type Partial struct {
	path, temp string
	opts       Options
	file       *os.File
	done       bool
}

// Continue opens the partial file of path, which is empty if there was none. It fails with [ErrBusy] if another process writes it, and as
// [Create] does if the name is taken by what may not be replaced.
func Continue(path string, opts Options) (*Partial, error) {
	if err := Check(path, opts); err != nil {
		return nil, err
	}
	p := &Partial{path: path, temp: path + PartialSuffix, opts: opts}
	if err := Check(p.temp, Options{Replace: true}); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(p.temp, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, fmt.Errorf("create %s: %w", path, cause(err))
		}
		switch ok, err := filelock.TryLock(f); {
		case errors.Is(err, filelock.ErrUnsupported):
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", p.temp, cause(err))
		case !ok:
			f.Close()
			return nil, fmt.Errorf("%s %w", path, ErrBusy)
		}
		// Whoever had the lock before may have given the file its name, or removed it.
		mine, err := f.Stat()
		there, e := os.Lstat(p.temp)
		if err == nil && e == nil && os.SameFile(mine, there) {
			p.file = f
			break
		}
		f.Close()
		if err := Check(path, opts); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Size returns how long the file is.
func (p *Partial) Size() int64 {
	info, err := p.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// Truncate makes the file as long as given. What is added is zero.
func (p *Partial) Truncate(size int64) error {
	if err := p.file.Truncate(size); err != nil {
		return p.error("write", err)
	}
	return nil
}

// WriteAt writes at an offset.
func (p *Partial) WriteAt(b []byte, at int64) (int, error) {
	n, err := p.file.WriteAt(b, at)
	if err != nil {
		return n, p.error("write", err)
	}
	return n, nil
}

// ReadAt fills b. What is beyond the end of the file is zero.
func (p *Partial) ReadAt(b []byte, at int64) error {
	n, err := p.file.ReadAt(b, at)
	if err == io.EOF {
		clear(b[n:])
		return nil
	}
	if err != nil {
		return p.error("read", err)
	}
	return nil
}

// Sync brings what was written to the disk.
func (p *Partial) Sync() error {
	if err := p.file.Sync(); err != nil && !CannotSync(err) {
		return p.error("write", err)
	}
	return nil
}

func (p *Partial) error(what string, err error) error {
	return fmt.Errorf("%s %s: %w", what, p.temp, cause(err))
}

// Commit brings everything to the disk and gives the file its name. If it fails the file stays under the partial one.
func (p *Partial) Commit() error {
	if p.done {
		return fmt.Errorf("write %s: %w", p.path, fs.ErrClosed)
	}
	defer p.Close()
	if err := p.Sync(); err != nil {
		return err
	}
	if err := Check(p.path, p.opts); err != nil {
		return err
	}
	if !lockedToTheEnd {
		p.file.Close()
	}
	rename := os.Rename
	if !p.opts.Replace {
		rename = renameNew
	}
	switch err := rename(p.temp, p.path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w: another process made it meanwhile", p.path, ErrExists)
	case err != nil:
		return p.error("rename", err)
	}
	if err := syncDir(filepath.Dir(p.path)); err != nil {
		return fmt.Errorf("write %s: %w", p.path, cause(err))
	}
	return nil
}

// Close leaves the file under its partial name, for another run. It does nothing after Commit, so that it can be deferred.
func (p *Partial) Close() error {
	if p.done {
		return nil
	}
	p.done = true
	return p.file.Close()
}
