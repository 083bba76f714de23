package editor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// What a history keeps. Longer messages are in it until the program ends.
const (
	historyEntries = 1000
	historyLength  = 64 << 10 // of an entry, in bytes
	historyBytes   = 4 << 20  // of the file
)

// History is what was entered before, oldest first. Its file has an entry a line, as a JSON string, and is for its owner alone. Several
// programs may add to it at once. What goes wrong with the file is nobody's trouble: the history is shorter then.
type History struct {
	path    string // "": nowhere
	entries []string
}

// HistoryPath returns where the history of a program is kept: in the user's directory for states, $XDG_STATE_HOME or what the platform
// has for that. It is "" if there is none.
func HistoryPath(program string) string {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as the XDG Base Directory Specification says
		home, err := os.UserHomeDir()
		switch {
		case runtime.GOOS == "windows":
			dir = os.Getenv("LocalAppData")
		case err != nil:
			return ""
		case runtime.GOOS == "darwin":
			dir = filepath.Join(home, "Library", "Application Support")
		default:
			dir = filepath.Join(home, ".local", "state")
		}
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, program, "history")
}

// OpenHistory reads a history. One that cannot be read is empty.
func OpenHistory(path string) *History {
	h := &History{path: path}
	if path == "" {
		return h
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return h
	}
	f, err := os.Open(path)
	if err != nil {
		return h
	}
	defer f.Close()
	large := info.Size() > historyBytes
	if large {
		f.Seek(-historyBytes/2, io.SeekEnd)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 8*historyLength)
	for lines.Scan() {
		var entry string
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry != "" { // others were cut, or are not ours
			h.entries = append(h.entries, entry)
		}
	}
	if n := len(h.entries) - historyEntries; n > 0 {
		h.entries = h.entries[n:]
		large = large || n > historyEntries
	}
	if large {
		h.rewrite()
	}
	return h
}

// Add adds an entry, unless it is the last one again.
func (h *History) Add(entry string) {
	if strings.TrimSpace(entry) == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == entry {
		return
	}
	h.entries = append(h.entries, entry)
	if h.path == "" || len(entry) > historyLength {
		return
	}
	if os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return
	}
	if info, err := os.Stat(h.path); err == nil && !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	f.Write(jsonLine(entry)) // one write, so that entries of several programs do not mix
}

// rewrite replaces the file by what is in memory.
func (h *History) rewrite() {
	f, err := os.CreateTemp(filepath.Dir(h.path), "history-*.tmp") // with mode 0600
	if err != nil {
		return
	}
	for _, e := range h.entries {
		if len(e) <= historyLength && err == nil {
			_, err = f.Write(jsonLine(e))
		}
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), h.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

func jsonLine(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s)
	return b.Bytes()
}

// browser walks through a history, and back to what was typed.
type browser struct {
	history *History
	at      int // entry that is shown; len(entries): what was typed
	typed   string
}

func (h *History) browse() browser { return browser{history: h, at: len(h.entries)} }

// move goes back (-1) or forth (1). It returns what is there, if there is something. shown is what is on the screen now.
func (b *browser) move(by int, shown string) (string, bool) {
	to := b.at + by
	if to < 0 || to > len(b.history.entries) {
		return "", false
	}
	if b.at == len(b.history.entries) {
		b.typed = shown
	}
	if b.at = to; to == len(b.history.entries) {
		return b.typed, true
	}
	return b.history.entries[to], true
}

// search returns the index of the last entry below before that has a text in it; -1 if there is none.
func (h *History) search(text string, before int) int {
	for i := min(before, len(h.entries)) - 1; i >= 0; i-- {
		if strings.Contains(h.entries[i], text) {
			return i
		}
	}
	return -1
}
