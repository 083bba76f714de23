package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"st/cmd/internal/editor"
	"st/runtime"
)

var sessionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// sessionPath returns the file of a conversation that is kept.
func sessionPath(name string) (string, error) {
	history := editor.HistoryPath("st")
	if history == "" {
		return "", errors.New("there is no directory for sessions: set $XDG_STATE_HOME")
	}
	return filepath.Join(filepath.Dir(history), "sessions", name+".session"), nil
}

// openChat begins a chat, or goes on with the one that is kept under f.session. save keeps it.
func (a *app) openChat(ctx context.Context, m *runtime.Model, f *generateFlags) (chat *runtime.Chat, save func() error, err error) {
	system := runtime.System(f.system)
	if f.session == "" {
		return m.NewChat(system), func() error { return nil }, nil
	}
	path, err := sessionPath(f.session)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("the directory of sessions: %w", err)
	}
	switch chat, err = m.LoadChat(ctx, path, system); {
	case errors.Is(err, fs.ErrNotExist):
		chat = m.NewChat(system)
	case err != nil:
		return nil, nil, fmt.Errorf("the session %s: %w", f.session, err)
	default:
		a.note("the session %s goes on after %s", f.session, plural(len(chat.Messages()), "message"))
	}
	return chat, func() error { return chat.Save(path) }, nil
}

// promptCache generates after a prompt whose KV cache is kept in a file: what the file has of the prompt is not run. The file is written when the
// prompt has run, if there is anything new in it.
func (a *app) promptCache(ctx context.Context, m *runtime.Model, path string, prompt []int32, g *runtime.Generate) (*runtime.Sequence, error) {
	q, _, err := m.LoadSequence(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		q, err = m.NewSequence()
	}
	if err != nil {
		return nil, err
	}
	// Shared never counts the last token of a prompt: of a prompt of one it does not tell whether the file has it.
	kept := q.Tokens()
	if len(kept) == 0 || len(prompt) == 1 && kept[0] != prompt[0] || q.Shared(prompt) < len(prompt)-1 {
		next := g.Prefilled
		g.Prefilled = func() error {
			if err := q.Save(path, nil); err != nil || next == nil {
				return err
			}
			return next()
		}
	}
	return q, nil
}
