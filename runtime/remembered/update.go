package remembered

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"st/format/filelock"
)

// ErrBusy: another process holds the lock of a directory for much longer than writing a file takes.
var ErrBusy = errors.New("the directory of what is remembered is locked")

// patience is how long Update waits for others, which write for some milliseconds. One that was stopped meanwhile must not stop this one.
const patience = 5 * time.Second

// Update keeps what change makes of the value that is kept, or of the zero value and false if there is none. Nobody else updates anything in the
// directory meanwhile, so that of several processes each finds what the others have kept. Where files cannot be locked, one may overwrite another's.
//
// The directory then holds most values at most, with this one: those that were kept least recently are forgotten.
func (c Cache[T]) Update(most int, change func(old T, ok bool) T) error {
	if c.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		return err
	}
	defer f.Close() // which unlocks it
	old, ok := c.Load()
	if err := c.Save(change(old, ok)); err != nil {
		return err
	}
	trim(c.Dir, filepath.Base(c.Path()), most)
	return nil
}

// lock waits for the lock of a file, which it closes if that takes too long.
func lock(f *os.File) error {
	if ok, err := filelock.TryLock(f); ok || err != nil {
		return nil // err: there are no locks
	}
	locked := make(chan struct{})
	go func() {
		_ = filelock.Lock(f)
		close(locked)
	}()
	select {
	case <-locked:
		return nil
	case <-time.After(patience):
		go func() {
			<-locked
			f.Close()
		}()
		return ErrBusy
	}
}

// leftover is the age at which a file that was never renamed is one of a process that was killed.
const leftover = time.Hour

// trim removes the oldest values of a directory, but not the one of that name, until it holds as many as it may, and what killed processes have left.
func trim(dir, name string, most int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var values []os.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasPrefix(e.Name(), newPrefix):
			if time.Since(info.ModTime()) > leftover {
				os.Remove(filepath.Join(dir, e.Name()))
			}
		case strings.HasSuffix(e.Name(), suffix) && e.Name() != name:
			values = append(values, info)
		}
	}
	slices.SortFunc(values, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range values[min(len(values), max(0, most-1)):] {
		os.Remove(filepath.Join(dir, info.Name()))
	}
}
