package remembered

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"st/format/filelock"
)

// version is that of the files.
const version = 2

// largest bounds what is read of a file.
const largest = 1 << 20

// What the names of files end with, and those begin with that are being written.
const (
	suffix    = ".json"
	newPrefix = ".new-"
)

// Cache is where one value is kept, as JSON. The zero value keeps none.
type Cache[T any] struct {
	Dir string // made when a value is saved; "": nothing is kept
	Key string
}

// entry is what a file holds.
type entry[T any] struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	Value   T      `json:"value"`
}

// Path returns the name of the file that holds the value: without it, nothing is remembered.
func (c Cache[T]) Path() string {
	sum := sha256.Sum256([]byte(c.Key))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:16])+suffix)
}

// Load returns the value that was saved. What it says is not checked: whoever uses it knows which values make sense.
func (c Cache[T]) Load() (value T, ok bool) {
	var none T
	if c.Dir == "" {
		return none, false
	}
	// Opening a pipe would wait for a writer.
	if info, err := os.Stat(c.Path()); err != nil || !info.Mode().IsRegular() {
		return none, false
	}
	f, err := os.Open(c.Path())
	if err != nil {
		return none, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largest))
	var e entry[T]
	if err != nil || json.Unmarshal(data, &e) != nil || e.Version != version || e.Key != c.Key {
		return none, false
	}
	return e.Value, true
}

// Save keeps a value. A file is never half written: it is written beside its place and renamed.
func (c Cache[T]) Save(value T) (err error) {
	if c.Dir == "" {
		return nil
	}
	data, err := json.Marshal(entry[T]{version, c.Key, value})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.Dir, newPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(data, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), c.Path())
}

// Alone runs a measurement unless another process runs one for the same directory: two at the same time would measure each other. It reports whether
// it ran. Where files cannot be locked it runs.
func (c Cache[T]) Alone(measure func()) bool {
	if c.Dir == "" || os.MkdirAll(c.Dir, 0o755) != nil {
		measure()
		return true
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		measure()
		return true
	}
	defer f.Close() // which unlocks it
	if ok, err := filelock.TryLock(f); err == nil && !ok {
		return false
	}
	measure()
	return true
}
