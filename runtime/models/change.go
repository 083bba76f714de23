package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/format/filelock"
	"st/format/outfile"
)

// ErrInUse is about a file that cannot be removed because a program uses it.
var ErrInUse = errors.New("is in use by a program")

// Remove removes the model of a name, and what belongs to it: what is left of a download, and of conversions that were interrupted. The name is the full
// one, in any case of letters: a short one, given twice, may mean another model the second time. It returns the model's entry, as it was. Programs that
// run the model go on with what they have, except on Windows, where the error wraps [ErrInUse]; so it does for a model that is being written.
func (s *Store) Remove(name string) (Entry, error) {
	all, err := s.List()
	if err != nil {
		return Entry{}, err
	}
	i, err := Match(name, Names(all))
	if err != nil {
		return Entry{}, err
	}
	e := all[i]
	if full, err := ParseName(name); err != nil || !strings.EqualFold(full.String(), e.Name.String()) {
		return Entry{}, fmt.Errorf("%w %q: the full name is %s", ErrNotFound, name, e.Name)
	}
	beside, err := besides(e.Path)
	if err != nil {
		return e, err
	}
	for _, path := range beside {
		if busy(path) {
			return e, fmt.Errorf("%s %w, which is writing it", e.Name, ErrInUse)
		}
	}
	if !e.Partial {
		beside = append([]string{e.Path}, beside...)
	}
	for _, path := range beside {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			if isInUse(err) {
				return e, fmt.Errorf("%s %w: end it first", e.Name, ErrInUse)
			}
			return e, fmt.Errorf("remove %s: %w", e.Name, err)
		}
	}
	if e.Name.Org != "" {
		_ = os.Remove(filepath.Dir(e.Path)) // unless other models are there
	}
	return e, nil
}

// besides returns the files that belong to a model.
func besides(path string) (all []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+".") && !e.IsDir() {
			all = append(all, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return all, err
}

// busy reports whether somebody has the lock of a file: those who write files hold it.
func busy(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false // what cannot be opened is not known to be locked
	}
	defer f.Close()
	ok, err := filelock.TryLock(f)
	return !ok && err == nil
}

// CopyOptions change how a model is copied.
type CopyOptions struct {
	Replace  bool                    // a model that has the new name
	Progress func(done, total int64) // is called with the bytes that are copied, unless it is nil
}

// Copy gives the model in a file a further name. Within the store the file gets a second name, which takes no room, if the file system has that;
// else its bytes are copied.
func (s *Store) Copy(ctx context.Context, from string, to Name, opts CopyOptions) (path string, err error) {
	if path, err = s.Path(to); err != nil {
		return "", err
	}
	if _, own := s.NameOf(from); own {
		done, err := link(from, path, opts.Replace)
		if done || err != nil {
			return path, err
		}
	}
	return path, CopyFile(ctx, from, path, opts)
}

// link gives a file a second name. done is false if it must be copied.
func link(from, to string, replace bool) (done bool, err error) {
	if err := outfile.Check(to, outfile.Options{Replace: replace}); err != nil {
		return false, err
	}
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return false, err
	}
	a, errA := os.Stat(from)
	b, errB := os.Stat(to)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return true, nil
	}
	if !replace || errB != nil {
		err := os.Link(from, to)
		if errors.Is(err, os.ErrExist) {
			return false, fmt.Errorf("%s %w", to, outfile.ErrExists)
		}
		return err == nil, nil
	}
	temporary := fmt.Sprintf("%s.%d-0.tmp", to, os.Getpid())
	if os.Link(from, temporary) != nil {
		return false, nil
	}
	if err := os.Rename(temporary, to); err != nil {
		os.Remove(temporary)
		return false, err
	}
	return true, nil
}

// CopyFile copies a file, which gets its name when it is complete.
func CopyFile(ctx context.Context, from, to string, opts CopyOptions) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := outfile.Create(to, outfile.Options{Replace: opts.Replace, Inputs: []string{from}})
	if err != nil {
		return err
	}
	defer out.Abort()
	r := &meteredReader{ctx: ctx, r: in, total: info.Size(), progress: opts.Progress}
	if _, err := io.CopyBuffer(out, r, make([]byte, 1<<20)); err != nil {
		return err
	}
	return out.Commit()
}

// meteredReader tells how far a copy is, and ends it.
type meteredReader struct {
	ctx         context.Context
	r           io.Reader
	done, total int64
	progress    func(done, total int64)
}

func (m *meteredReader) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if m.done += int64(n); m.progress != nil {
		m.progress(m.done, m.total)
	}
	return n, err
}

// Complete returns the names of models that begin with what was typed: whole names, or else short ones.
func (s *Store) Complete(typed string) (names []string) {
	all, err := s.List()
	if err != nil {
		return nil
	}
	for _, short := range []bool{false, true} {
		for _, e := range all {
			n := e.Name
			if short {
				n.Org = ""
			}
			if text := n.String(); !e.Partial && strings.HasPrefix(strings.ToLower(text), strings.ToLower(typed)) && !slices.Contains(names, text) {
				names = append(names, text)
			}
		}
		if len(names) > 0 {
			break
		}
	}
	return names
}
