package threadcache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// version is that of the files. It is raised when a program would measure otherwise.
const version = 1

// largest bounds what is read of a file.
const largest = 1 << 16

// Cache is where one number is kept. The zero value keeps none.
type Cache struct {
	Dir string // made when a number is saved; "": nothing is kept
	Key string
}

// entry is what a file holds.
type entry struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	Threads int    `json:"threads"`
}

func (c Cache) path() string {
	sum := sha256.Sum256([]byte(c.Key))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:16])+".json")
}

// Load returns the number that was saved, if it is one of the candidates.
func (c Cache) Load(candidates []int) (threads int, ok bool) {
	if c.Dir == "" {
		return 0, false
	}
	f, err := os.Open(c.path())
	if err != nil {
		return 0, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largest))
	var e entry
	if err != nil || json.Unmarshal(data, &e) != nil || e.Version != version || e.Key != c.Key || !slices.Contains(candidates, e.Threads) {
		return 0, false
	}
	return e.Threads, true
}

// Save keeps a number. A file is never half written: it is written beside its place and renamed.
func (c Cache) Save(threads int) (err error) {
	if c.Dir == "" {
		return nil
	}
	data, err := json.Marshal(entry{version, c.Key, threads})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.Dir, ".new-*")
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
	return os.Rename(f.Name(), c.path())
}
