package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"st/cmd/internal/editor"
	"st/format"
	"st/runtime"
)

// sessionsDir returns where conversations are kept.
func sessionsDir() (string, error) {
	history := editor.HistoryPath("st")
	if history == "" {
		return "", errors.New("there is no directory for sessions: set $XDG_STATE_HOME")
	}
	return filepath.Join(filepath.Dir(history), "sessions"), nil
}

// sessionNames returns the names of the conversations that are kept which begin with a text, in order.
func sessionNames(beginning string) (dir string, names []string, err error) {
	if dir, err = sessionsDir(); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("the directory of sessions: %w", err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), sessionSuffix); ok && sessionName.MatchString(name) && strings.HasPrefix(name, beginning) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return dir, names, nil
}

// completeSessions has a shell complete names of sessions.
func completeSessions(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	_, names, _ := sessionNames(typed)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sessionsReport is what st list --sessions --json prints.
type sessionsReport struct {
	Directory string          `json:"directory"`
	Sessions  []listedSession `json:"sessions"`
}

// listedSession is a session in the list. What its header tells is absent if it cannot be read.
type listedSession struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
	Model    string    `json:"model,omitempty"`
	KVType   string    `json:"kv_type,omitempty"`
	Tokens   int       `json:"tokens"`
	Error    string    `json:"error,omitempty"`
}

// listSessions prints the conversations that are kept, or those whose name begins with a text.
func (a *app) listSessions(ctx context.Context, beginning string, asJSON bool) error {
	r, err := a.readSessions(ctx, beginning)
	switch {
	case err != nil:
		return err
	case asJSON:
		return a.printJSON(r)
	}
	a.printSessions(r, beginning)
	return nil
}

// readSessions describes the conversations that are kept, or those whose name begins with a text.
func (a *app) readSessions(ctx context.Context, beginning string) (*sessionsReport, error) {
	dir, names, err := sessionNames(beginning)
	if err != nil {
		return nil, err
	}
	r := &sessionsReport{Directory: dir, Sessions: []listedSession{}}
	if len(names) == 0 {
		return r, nil
	}
	kept, err := fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s := listedSession{Name: name, Path: filepath.Join(dir, name+sessionSuffix)}
		info, err := os.Stat(s.Path)
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		var h *runtime.SnapshotHeader
		if err == nil {
			s.Bytes, s.Modified = info.Size(), info.ModTime()
			h, err = runtime.ReadSnapshotHeader(s.Path)
		}
		if err == nil {
			s.Model, s.KVType, s.Tokens = kept[h.Model], h.KVType, h.Tokens
		} else {
			s.Error = err.Error()
			a.note("note: %v", err)
		}
		r.Sessions = append(r.Sessions, s)
	}
	return r, nil
}

// fingerprints returns the names of the models that are kept, by what [runtime.SnapshotHeader] calls them.
func fingerprints(ctx context.Context) (map[string]string, error) {
	_, all, err := keptModels()
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, e := range all {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e.Partial {
			continue
		}
		if r, err := format.Open(e.Path); err == nil { // one that cannot be read is st list's to tell
			id := r.Fingerprint()
			names[hex.EncodeToString(id[:])] = e.Name.String()
			r.Close()
		}
	}
	return names, nil
}

func (a *app) printSessions(r *sessionsReport, beginning string) {
	switch {
	case len(r.Sessions) == 0 && beginning != "":
		a.note("no session in %s has a name that begins with %s", r.Directory, beginning)
		return
	case len(r.Sessions) == 0:
		a.note("no sessions in %s: st run MODEL --session NAME keeps one", r.Directory)
		return
	}
	t := newTable("NAME", "MODEL", ">TOKENS", ">SIZE", "MODIFIED")
	for _, s := range r.Sessions {
		tokens := fmt.Sprint(s.Tokens)
		if s.Error != "" {
			tokens = "damaged"
		}
		t.AppendRow([]any{s.Name, s.Model, tokens, size(s.Bytes), humanize.Time(s.Modified)})
	}
	printTable(a.stdout, t)
}

// removeSessions removes conversations that no process goes on with.
func (a *app) removeSessions(names []string) (failed error) {
	for _, name := range names {
		if err := removeSession(name); err != nil {
			failed = alsoFailed(failed, err)
			continue
		}
		fmt.Fprintf(a.stdout, "deleted the session %s\n", name)
	}
	return failed
}

func removeSession(name string) error {
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || !sessionName.MatchString(name) {
		return fmt.Errorf("no session has the name %q: st list --sessions shows those that are kept", name)
	}
	unlock, err := lockSession(path)
	if err != nil {
		return fmt.Errorf("the session %s %w", name, err)
	}
	defer unlock()
	return os.Remove(path)
}
