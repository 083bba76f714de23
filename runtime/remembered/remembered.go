package remembered

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"time"

	"st/format/filelock"
)

// version is that of the files.
const version = 2

// largest bounds the size of a file.
const largest = 1 << 20

// What the names of files end with, and those begin with that are being written.
const (
	suffix    = ".json"
	newPrefix = ".new-"
)

// The files that are locked, which hold nothing: to measure alone, and to update.
const (
	aloneLock  = ".lock"
	updateLock = ".updates.lock"
)

// Cache is where one value is kept, as JSON. The zero value keeps none.
type Cache[T any] struct {
	Dir string // made when a value is saved; "": nothing is kept
	Key string
	// Kind is what the value is one of, as a part of the file's name: [Cache.Update] and [Cache.Keep] bound how many there are of each kind.
	Kind string
	// Patience is how long Update and Keep wait for others; 0: until they have ended.
	Patience time.Duration
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
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:keyBytes])+c.suffix())
}

// keyBytes are of a key's hash, which are in the name of its file.
const keyBytes = 16

// suffix returns what the names of files of the kind end with.
func (c Cache[T]) suffix() string {
	if c.Kind == "" {
		return suffix
	}
	return "." + c.Kind + suffix
}

// holds reports whether a file of that name holds a value of the kind.
func (c Cache[T]) holds(name string) bool {
	key, ok := strings.CutSuffix(name, c.suffix())
	if !ok || len(key) != hex.EncodedLen(keyBytes) {
		return false
	}
	_, err := hex.DecodeString(key)
	return err == nil
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

// Save keeps a value, whatever else there is. A file is never half written: it is written beside its place and renamed. A value that is too large to be
// loaded again is an error.
func (c Cache[T]) Save(value T) (err error) {
	if c.Dir == "" {
		return nil
	}
	data, err := json.Marshal(entry[T]{version, c.Key, value})
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if len(data) > largest {
		return fmt.Errorf("%s would have %d bytes, and %d at most are read", c.Path(), len(data), largest)
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
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return replace(f.Name(), c.Path(), os.Rename, goruntime.GOOS == "windows")
}

// replaceTries is how often a file is renamed at most, and replacePause the time between: reading a file takes less than a millisecond.
const (
	replaceTries = 5
	replacePause = 20 * time.Millisecond
)

// replace renames a file to one that may be there. Where files that are open are inUse, as in Windows, whoever reads it is waited for.
func replace(from, to string, rename func(from, to string) error, inUse bool) (err error) {
	for n := range replaceTries {
		if n > 0 {
			time.Sleep(replacePause)
		}
		if err = rename(from, to); err == nil || !inUse {
			break
		}
	}
	return err
}

// Alone runs a measurement unless another process runs one for the same directory: two at the same time would measure each other. It reports whether
// it ran. Where files cannot be locked it runs.
func (c Cache[T]) Alone(measure func()) bool {
	if c.Dir == "" || os.MkdirAll(c.Dir, 0o755) != nil {
		measure()
		return true
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, aloneLock), os.O_RDWR|os.O_CREATE, 0o644)
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
