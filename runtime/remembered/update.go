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

// Update keeps what change makes of the value that is kept, or of the zero value and false if there is none. Nobody else updates anything in the
// directory meanwhile, so that of several processes each finds what the others have kept. Where files cannot be locked, one may overwrite another's.
//
// Others are waited for, which write for some milliseconds, as long as the Cache's Patience says: one that was stopped meanwhile need not stop this one.
//
// The directory then holds most values of the kind at most, with this one: those that were kept least recently are forgotten. Other files stay.
func (c Cache[T]) Update(most int, change func(old T, ok bool) T) error {
	if c.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, updateLock), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := lock(f, c.Patience); err != nil {
		return err
	}
	defer f.Close() // which unlocks it
	old, ok := c.Load()
	if err := c.Save(change(old, ok)); err != nil {
		return err
	}
	c.trim(most)
	return nil
}

// Keep is Save of a value that a directory of most values is to hold, in the way of Update: those that were kept least recently are forgotten.
func (c Cache[T]) Keep(most int, value T) error {
	return c.Update(most, func(T, bool) T { return value })
}

// lock waits for the lock of a file, which it closes if that takes longer than patience, if that is not 0.
func lock(f *os.File, patience time.Duration) error {
	if ok, err := filelock.TryLock(f); ok || err != nil {
		return nil // err: there are no locks
	}
	if patience == 0 {
		_ = filelock.Lock(f)
		return nil
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

// trim removes the oldest other values of the kind until there are as many as there may be, and what killed processes have left.
func (c Cache[T]) trim(most int) {
	dir, name := c.Dir, filepath.Base(c.Path())
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
		case c.holds(e.Name()) && e.Name() != name:
			values = append(values, info)
		}
	}
	slices.SortFunc(values, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range values[min(len(values), max(0, most-1)):] {
		os.Remove(filepath.Join(dir, info.Name()))
	}
}
