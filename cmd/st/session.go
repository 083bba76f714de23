package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"st/cmd/internal/editor"
	"st/format/filelock"
	"st/format/outfile"
	"st/runtime"
)

var sessionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

const sessionSuffix = ".session"

// errSessionInUse is about a conversation that another process goes on with.
var errSessionInUse = errors.New("is in use by another process: end that one, or name another session")

// sessionPath returns the file of a conversation that is kept.
func sessionPath(name string) (string, error) {
	history := editor.HistoryPath("st")
	if history == "" {
		return "", errors.New("there is no directory for sessions: set $XDG_STATE_HOME")
	}
	return filepath.Join(filepath.Dir(history), "sessions", name+sessionSuffix), nil
}

// openChat begins a chat, or goes on with the one that is kept under f.session. save keeps it, and done closes it.
func (a *app) openChat(ctx context.Context, m *runtime.Model, f *generateFlags) (chat *runtime.Chat, save func() error, done func(), err error) {
	system := runtime.System(f.system)
	if f.session == "" {
		chat = m.NewChat(system)
		return chat, func() error { return nil }, func() { chat.Close() }, nil
	}
	path, err := sessionPath(f.session)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, nil, fmt.Errorf("the directory of sessions: %w", err)
	}
	unlock, err := lockSession(path)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the session %s %w", f.session, err)
	}
	replaced, kept := "", 0
	chat, err = m.LoadChat(ctx, path)
	if err == nil {
		kept = len(chat.Messages())
	}
	if err == nil && f.system != "" && systemOf(chat) != f.system {
		replaced = ", with another system message: all of it is computed again"
		chat.Close()
		chat, err = m.LoadChat(ctx, path, system)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		chat = m.NewChat(system)
	case errors.Is(err, runtime.ErrContextFull):
		unlock()
		return nil, nil, nil, fmt.Errorf("the session %s: %v: give a larger --ctx, or name another session", f.session, err)
	case err != nil:
		unlock()
		return nil, nil, nil, fmt.Errorf("the session %s: %w", f.session, err)
	default:
		a.note("the session %s goes on after %s%s", f.session, plural(kept, "message"), replaced)
	}
	return chat, func() error { return chat.Save(path) }, func() { chat.Close(); unlock() }, nil
}

// systemOf returns the system message that a conversation begins with.
func systemOf(chat *runtime.Chat) string {
	if all := chat.Messages(); len(all) > 0 && all[0].Role == "system" {
		return all[0].Content
	}
	return ""
}

// lockSession keeps other processes from going on with the same conversation at the same time: of two, the one that is kept last would be all that is
// left. The lock is on a file beside it, since the file of the conversation is another one after every answer.
func lockSession(path string) (unlock func(), err error) {
	f, err := os.OpenFile(strings.TrimSuffix(path, sessionSuffix)+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot be locked: %w", err)
	}
	if ok, err := filelock.TryLock(f); err == nil && !ok {
		f.Close()
		return nil, errSessionInUse
	}
	return func() { f.Close() }, nil // without locks it goes without
}

// promptCache returns a sequence that generates after a prompt whose KV cache is kept in a file: what the file has of the prompt is not run. The file
// is written when the prompt has run, if there is anything new in it. What is wrong with that is known at the end, of done: the text is worth more
// than the file.
func (a *app) promptCache(ctx context.Context, m *runtime.Model, path string, prompt []int32, g *runtime.Generate) (q *runtime.Sequence, done func() error, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := checkOutput(path, true, m.Path()); err != nil {
		return nil, nil, err
	}
	q, _, err = m.LoadSequence(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		if q, err = m.NewSequence(); err == nil { // a directory that is not there is told before the prompt has run
			if _, err = os.Stat(filepath.Dir(path)); err != nil {
				err = fmt.Errorf("the directory of %s: %w", path, err)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	var saved error
	shared := q.Shared(prompt)
	// Shared never counts the last token of a prompt: of a prompt of one it does not tell whether the file has it.
	kept := q.Tokens()
	if len(kept) == 0 || len(prompt) == 1 && kept[0] != prompt[0] || shared < len(prompt)-1 {
		next := g.Prefilled
		g.Prefilled = func() error {
			if saved = q.SaveContext(ctx, path, nil); errors.Is(saved, outfile.ErrBusy) {
				a.note("note: %v: this prompt is not kept", saved)
				saved = nil
			} else if saved == nil && shared < len(kept) {
				a.note("note: %s was replaced: it had %s of another prompt, of which this one begins with %d", path, plural(len(kept), "token"), shared)
			}
			if next == nil {
				return nil
			}
			return next()
		}
	}
	return q, func() error { return errors.Join(saved, q.Close()) }, nil
}
