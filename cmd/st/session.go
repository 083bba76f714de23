package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	goruntime "runtime"
	"strings"

	"st/format/filelock"
	"st/runtime"
)

var sessionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

const sessionSuffix = ".session"

// errSessionInUse is about a conversation that another process goes on with.
var errSessionInUse = errors.New("is in use by another process: end that one, or name another session")

// sessionPath returns the file of a conversation that is kept.
func sessionPath(name string) (string, error) {
	dir, err := sessionsDir()
	return filepath.Join(dir, name+sessionSuffix), err
}

// session is a chat, and where it is kept.
type session struct {
	*runtime.Chat
	path   string            // "": it is not kept
	kept   []runtime.Message // of it, when it was read or kept last
	unlock func()
}

// openChat begins a chat, or goes on with the one that is kept under f.session.
func (a *app) openChat(ctx context.Context, m *runtime.Model, f *generateFlags) (s *session, err error) {
	system := runtime.System(f.system)
	if f.session == "" {
		return &session{Chat: m.NewChat(system)}, nil
	}
	path, err := sessionPath(f.session)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the directory of sessions: %w", err)
	}
	unlock, err := lockSession(path)
	if err != nil {
		return nil, fmt.Errorf("the session %s %w", f.session, err)
	}
	s = &session{path: path, unlock: unlock}
	if s.Chat, err = m.LoadChat(ctx, path); errors.Is(err, fs.ErrNotExist) {
		s.Chat = m.NewChat(system)
		s.kept = s.Messages() // until something is said there is nothing to keep
		return s, nil
	}
	how := ""
	if errors.Is(err, runtime.ErrContextFull) {
		var kept *runtime.Snapshot
		if kept, err = m.ReadSnapshot(path); err == nil {
			how = fmt.Sprintf(", whose %d tokens are more than the context of %d: --ctx gives a larger one", len(kept.Tokens), m.Context())
			s.Chat, err = m.ReadChat(path)
		}
	}
	said := 0
	if err == nil {
		said = len(s.Messages())
	}
	if err == nil && f.system != "" && systemOf(s.Chat) != f.system {
		how = cmp.Or(how, ", with another system message: all of it is computed again")
		s.Close()
		s.Chat, err = m.ReadChat(path, system)
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("the session %s: %w", f.session, err)
	}
	s.kept = s.Messages()
	a.note("note: the session %s goes on after %s%s", f.session, plural(said, "message"), how)
	return s, nil
}

// save keeps the conversation. One that nothing was added to stays as it is kept: its KV cache may be there, and not here. Of one in which nothing is
// left there is no file, so that any model can begin it anew.
func (s *session) save() (err error) {
	said := s.Messages()
	switch {
	case s.path == "" || reflect.DeepEqual(said, s.kept):
		return nil
	case len(said) > 0:
		err = s.Save(s.path)
	default:
		if err = os.Remove(s.path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		s.kept = said
	}
	return err
}

// close ends the chat, and lets other processes go on with it.
func (s *session) close() {
	s.Close()
	if s.unlock != nil {
		s.unlock()
	}
}

// systemOf returns the system message that a conversation begins with.
func systemOf(chat *runtime.Chat) string {
	if all := chat.Messages(); len(all) > 0 && all[0].Role == "system" {
		return all[0].Content
	}
	return ""
}

// lockSession keeps other processes from going on with the same conversation at the same time: of two, the one that is kept last would be all that is
// left. The lock is on a file beside it, since the file of the conversation is another one after every answer. unlock removes that file.
func lockSession(path string) (unlock func(), err error) {
	name := strings.TrimSuffix(path, sessionSuffix) + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		locked := false
		if err == nil {
			locked, err = lockFile(f)
		}
		switch {
		case err == nil && locked:
			return func() { removeLock(f) }, nil
		case err == nil:
			return func() { f.Close() }, nil
		case errors.Is(err, errSessionInUse):
			return nil, err
		case !errors.Is(err, errLockGone):
			return nil, fmt.Errorf("cannot be locked: %w", err)
		}
	}
}

// errLockGone says that whoever had the lock before has removed the file since it was opened here: a lock on it would keep nobody out.
var errLockGone = errors.New("the lock was removed meanwhile")

// lockFile takes the lock of a file that was opened, or closes it. Where there are no locks it goes without, and reports that.
func lockFile(f *os.File) (locked bool, err error) {
	locked, lockErr := filelock.TryLock(f)
	if lockErr == nil && !locked {
		f.Close()
		return false, errSessionInUse
	}
	mine, err := f.Stat()
	there, e := os.Lstat(f.Name())
	switch {
	case err != nil:
	case errors.Is(e, fs.ErrNotExist), e == nil && !os.SameFile(mine, there):
		err = errLockGone
	default:
		err = e
	}
	if err != nil {
		f.Close()
	}
	return locked && lockErr == nil, err
}

// removeLock removes a file whose lock is held, and gives the lock up. Windows removes no file that is open: there it is closed first, and stays if
// another process has opened it meanwhile.
func removeLock(f *os.File) {
	if goruntime.GOOS == "windows" {
		f.Close()
	}
	_ = os.Remove(f.Name()) // one that stays is removed the next time
	f.Close()
}
