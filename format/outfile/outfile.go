package outfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"st/format/filelock"
	"st/format/pagecache"
)

// Sentinel errors. Each is a part of a sentence that names the file.
var (
	// ErrExists is about a file that is there already: Options.Replace allows it to be replaced.
	ErrExists = errors.New("exists")
	// ErrBusy is about a file that another process, or another goroutine, is writing.
	ErrBusy = errors.New("is being written by another process")
	// ErrInput is about an output that is one of the files that are read.
	ErrInput = errors.New("is an input too: choose another output")
	// ErrNotFile is about a name that is taken by something that is no regular file: a directory, a symbolic link, a device.
	ErrNotFile = errors.New("cannot be replaced")
)

// Options change how a file is written.
type Options struct {
	// Replace allows an existing file to be replaced, at Commit and not before.
	Replace bool
	// Inputs are files that are read meanwhile: the output must be none of them.
	Inputs []string
	// Open opens the temporary file for writing; nil does that on disk. Tests put a full disk behind it.
	Open func(path string) (Target, error)
}

// Target is what is written to.
type Target interface {
	io.WriterAt
	io.Closer
	Sync() error
}

// Leftover is a temporary file of a process that has ended, which was removed.
type Leftover struct {
	Path  string
	Bytes int64
}

// File is an output that is being written. It is used by one goroutine at a time.
type File struct {
	path, temp string
	serial     int64
	opts       Options
	lock       *os.File // holds the lock of the temporary file
	target     Target
	w          *bufio.Writer
	at         int64 // where w writes next
	leftovers  []Leftover
	done       bool
}

// Check tells what would keep Create from succeeding, before a long run that would be in vain: what has the file's name now. It creates
// nothing.
func Check(path string, opts Options) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // it does not exist, or creating the temporary file tells why it cannot be used
	}
	for _, input := range opts.Inputs {
		if in, err := os.Stat(input); err == nil && sameFile(path, info, in) {
			return fmt.Errorf("%s %w", path, ErrInput)
		}
	}
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, which the file would take the place of: it %w; name the file itself", path, ErrNotFile)
	case info.IsDir():
		return fmt.Errorf("%s is a directory: it %w; name a file", path, ErrNotFile)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: it %w", path, ErrNotFile)
	case !opts.Replace:
		return fmt.Errorf("%s %w", path, ErrExists)
	}
	return nil
}

// sameFile reports whether the file at path, or what it links to, is a given one.
func sameFile(path string, info, other os.FileInfo) bool {
	if os.SameFile(info, other) {
		return true
	}
	target, err := os.Stat(path)
	return err == nil && os.SameFile(target, other)
}

// serial tells the files of one process apart, of which own are those that are being written.
var (
	serial atomic.Int64
	own    sync.Map // by serial
)

// Create begins a file. It fails if the name is taken by what may not be replaced, or if it is being written.
func Create(path string, opts Options) (*File, error) {
	if err := Check(path, opts); err != nil {
		return nil, err
	}
	f := &File{path: path, opts: opts}
	if err := f.begin(); err != nil {
		return nil, err
	}
	open := opts.Open
	if open == nil {
		open = func(path string) (Target, error) { return os.OpenFile(path, os.O_RDWR, 0) }
	}
	var err error
	if f.target, err = open(f.temp); err != nil {
		f.end()
		os.Remove(f.temp)
		return nil, fmt.Errorf("create %s: %w", path, cause(err))
	}
	f.w = bufio.NewWriterSize(sequential{f}, 1<<20)
	return f, nil
}

// begin creates the temporary file. The directory is locked meanwhile, if it can be, so that of several processes one comes first.
func (f *File) begin() error {
	dir := filepath.Dir(f.path)
	if d, err := os.Open(dir); err == nil {
		defer d.Close() // which ends the lock
		_ = filelock.Lock(d)
	}
	f.serial = serial.Add(1)
	f.temp = temporaryName(f.path, os.Getpid(), f.serial)
	// The kernel applies the process's umask.
	file, err := os.OpenFile(f.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("create %s: %w", f.path, cause(err))
	}
	f.lock = file
	own.Store(f.serial, true)
	_, _ = filelock.TryLock(file)
	if f.leftovers, err = removeDead(f.path, f.others()); err != nil {
		f.end()
		os.Remove(f.temp)
	}
	return err
}

// end gives the temporary file up.
func (f *File) end() {
	f.done = true
	f.lock.Close()
	own.Delete(f.serial)
}

// Leftovers returns temporary files of the same name that were removed, since their process has ended.
func (f *File) Leftovers() []Leftover { return f.leftovers }

// Write appends to what Write has written.
func (f *File) Write(p []byte) (int, error) { return f.w.Write(p) }

// WriteAt writes at an offset, past the buffer of Write: a file is written by the one or the other.
func (f *File) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.target.WriteAt(p, at)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = f.writeError(err)
	}
	return n, err
}

type sequential struct{ f *File }

func (s sequential) Write(p []byte) (int, error) {
	n, err := s.f.WriteAt(p, s.f.at)
	s.f.at += int64(n)
	return n, err
}

func (f *File) writeError(err error) error {
	return fmt.Errorf("write %s: %w (the unfinished file was removed)", f.path, cause(err))
}

// forgetFrom is the size of a file from which on the pages that it was written in leave memory.
const forgetFrom = 64 << 20

// forget lets the pages of a large file leave memory: written ones are small, and whoever maps the file would have them for as long as they stay
// (see package pagecache). That is for speed alone, so an error changes nothing.
func (f *File) forget() {
	file, ok := f.target.(*os.File)
	if !ok {
		return
	}
	if info, err := file.Stat(); err == nil && info.Size() >= forgetFrom {
		_ = pagecache.Forget(file, 0, info.Size())
	}
}

// Commit brings everything to the disk and gives the file its name. Whatever fails, the temporary file is removed.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("write %s: %w", f.path, fs.ErrClosed)
	}
	defer f.Abort()
	if err := f.w.Flush(); err != nil {
		return err
	}
	if err := f.target.Sync(); err != nil && !CannotSync(err) {
		return f.writeError(err)
	}
	f.forget()
	if err := f.target.Close(); err != nil {
		return f.writeError(err)
	}
	if err := Check(f.path, f.opts); err != nil {
		return err
	}
	if !lockedToTheEnd {
		f.lock.Close()
	}
	rename := os.Rename
	if !f.opts.Replace {
		rename = renameNew
	}
	switch err := rename(f.temp, f.path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w: another process made it meanwhile", f.path, ErrExists)
	case err != nil:
		return f.writeError(err)
	}
	f.end()
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("write %s: %w", f.path, cause(err))
	}
	return nil
}

// CannotSync reports whether an error of Sync says that a file system has no way to bring what was written to the disk. What is in the file is as safe
// there as it can be.
func CannotSync(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}

// Abort gives up and removes the temporary file. It does nothing after Commit, so that it can be deferred.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.target.Close()
	f.end()
	os.Remove(f.temp)
}

// Write has fill write a file, which gets its name if fill returns no error.
func Write(path string, opts Options, fill func(w io.Writer) error) error {
	f, err := Create(path, opts)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := fill(f); err != nil {
		return err
	}
	return f.Commit()
}

// cause drops the temporary name that a *PathError or a *LinkError shows: it means nothing to the user.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}
