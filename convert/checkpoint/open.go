package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Checkpoint is an open set of weight files. Its methods may be used by many goroutines at once, except Close.
type Checkpoint struct {
	paths   []string
	files   []file
	tensors []*Tensor
	byName  map[string]*Tensor
}

// reader lists the tensors of one open weight file, in order of their place in it.
type reader func(path string, f file) ([]*Tensor, error)

// layouts are the ways a checkpoint directory may hold its weights, best first.
var layouts = []struct {
	name    string
	indexed bool
	read    reader
}{
	{"model.safetensors", false, readSafetensors},
	{"model.safetensors.index.json", true, readSafetensors},
	{"pytorch_model.bin", false, readTorch},
	{"pytorch_model.bin.index.json", true, readTorch},
}

// Open opens the weights at path: a checkpoint directory, an index with its shards, or one weight file, whose name ends in
// .safetensors, or in .bin, .pt or .pth for torch, or which begins like one. In a directory it takes the first it finds of model.safetensors, model.safetensors.index.json with its
// shards, pytorch_model.bin, and pytorch_model.bin.index.json with its shards.
//
// It reads and checks headers only. It fails when a file cannot be read, is incomplete or malformed, is something else (a Git
// LFS pointer, a web page, a torch file that is older than zip or that needs code to load), when a tensor appears twice, or
// when index and shards disagree. If nothing is at path the error is [fs.ErrNotExist].
func Open(path string) (*Checkpoint, error) {
	return open(path, openOS)
}

// OpenSafetensors opens one safetensors file, whatever its name.
func OpenSafetensors(path string) (*Checkpoint, error) {
	c := &Checkpoint{byName: make(map[string]*Tensor)}
	if _, err := c.addFile(path, readSafetensors, openOS); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func open(path string, openFile opener) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file or directory: give a checkpoint directory or a weight file (%w)", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot open: %w", path, err)
	}

	c := &Checkpoint{byName: make(map[string]*Tensor)}
	if info.IsDir() {
		err = c.addDir(path, openFile)
	} else {
		err = c.addSingle(path, openFile)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) addDir(dir string, openFile opener) error {
	var names []string
	for _, layout := range layouts {
		path := filepath.Join(dir, layout.name)
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			names = append(names, layout.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: cannot open: %w", path, err)
		}
		if layout.indexed {
			return c.addShards(path, layout.read, openFile)
		}
		_, err = c.addFile(path, layout.read, openFile)
		return err
	}
	return fmt.Errorf("%s: no weights here (looked for %s): is this the right directory, and is the download complete?",
		dir, strings.Join(names, ", "))
}

func (c *Checkpoint) addShards(indexPath string, read reader, openFile opener) error {
	x, err := readIndex(indexPath, openFile)
	if err != nil {
		return err
	}
	for _, shard := range x.shards {
		path := filepath.Join(filepath.Dir(indexPath), filepath.FromSlash(shard))
		tensors, err := c.addFile(path, read, openFile)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: no such file, but %s names it: download it", path, filepath.Base(indexPath))
		}
		if err != nil {
			return err
		}
		if err := x.check(shard, tensors); err != nil {
			return err
		}
	}
	return nil
}

// ErrUnknown is the error of Open for a file that is none of weights, by its name and by what it begins with.
var ErrUnknown = errors.New("not a weight file: give a checkpoint directory, a .safetensors file or a torch .bin file")

func (c *Checkpoint) addSingle(path string, openFile opener) error {
	if base, ok := strings.CutSuffix(strings.ToLower(path), ".index.json"); ok {
		if strings.HasSuffix(base, ".safetensors") {
			return c.addShards(path, readSafetensors, openFile)
		}
		return c.addShards(path, readTorch, openFile)
	}
	read, err := readerOf(path, openFile)
	if err != nil {
		return err
	}
	_, err = c.addFile(path, read, openFile)
	return err
}

// readerOf chooses by a file's name, and if that says nothing by how it begins.
func readerOf(path string, openFile opener) (reader, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		return readSafetensors, nil
	case ".bin", ".pt", ".pth":
		return readTorch, nil
	}
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	first, err := head(path, f, 512)
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(first, []byte("PK\x03\x04")):
		return readTorch, nil
	case bytes.HasPrefix(first, []byte("GGUF")):
		return nil, fmt.Errorf("%s: a GGUF file, not a weight file of a checkpoint: give the one that it was made from", path)
	case len(first) > 8 && first[8] == '{' && binary.LittleEndian.Uint64(first) <= maxHeaderBytes:
		return readSafetensors, nil
	}
	return nil, fmt.Errorf("%s: %w", path, ErrUnknown)
}

// addFile opens one weight file and adds its tensors.
func (c *Checkpoint) addFile(path string, read reader, openFile opener) ([]*Tensor, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	c.files = append(c.files, f)
	c.paths = append(c.paths, path)
	tensors, err := read(path, f)
	if err != nil {
		return nil, err
	}
	for _, t := range tensors {
		if other, ok := c.byName[t.Name]; ok {
			return nil, tensorError(path, t.Name, "%s holds a tensor of the same name: download both again", other.File)
		}
		c.byName[t.Name] = t
	}
	c.tensors = append(c.tensors, tensors...)
	return tensors, nil
}

// Close closes the files. Reads that follow it fail.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	c.files = nil
	return errors.Join(errs...)
}

// Tensors returns all tensors in order of file and of place in the file, the order that reads a disk once from front to back.
func (c *Checkpoint) Tensors() []*Tensor { return slices.Clone(c.tensors) }

// Lookup returns the tensor called name.
func (c *Checkpoint) Lookup(name string) (*Tensor, bool) {
	t, ok := c.byName[name]
	return t, ok
}

// Files returns the paths of the weight files in use; an index is not one.
func (c *Checkpoint) Files() []string { return slices.Clone(c.paths) }
