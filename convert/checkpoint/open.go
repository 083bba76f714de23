package checkpoint

import (
	"errors"
	"slices"
)

// Checkpoint is an open set of weight files. Its methods may be used by many goroutines at once, except Close.
type Checkpoint struct {
	paths   []string
	files   []file
	tensors []*Tensor
	byName  map[string]*Tensor
	notes   []string
	left    int // tensors that may be added
}

// reader lists the tensors of one open weight file, at most max of them, in order of their place in it.
type reader func(path string, f file, max int) ([]*Tensor, error)

// MaxTensors is the most that [Open] takes: twice what the largest published models have.
const MaxTensors = 1 << 18

// Open opens the weights at path: a checkpoint directory, an index with its shards, or one weight file, whose name ends in
// .safetensors, or in .bin, .pt or .pth for torch, or which begins like one. A file that is one shard of several, by its name or by an
// index beside it, stands for all of them.
//
// In a directory it takes the first set that is there of model.safetensors, model.safetensors.index.json with its shards,
// pytorch_model.bin, pytorch_model.bin.index.json with its shards, shards without an index, and the only weight file of another name. A
// set of which files are missing, or are something else (a Git LFS pointer, a web page), is passed over if another one is whole: see
// [Checkpoint.Notes].
//
// It reads and checks headers only. It fails when a file cannot be read, is incomplete or malformed, is something else, a torch file that
// is older than zip or that needs code to load, when a tensor appears twice, or when index and shards disagree. Errors are an [Error].
// If nothing is at path the error is [fs.ErrNotExist].
func Open(path string) (*Checkpoint, error) { return OpenLimited(path, MaxTensors) }

// OpenLimited is Open for a checkpoint of at most maxTensors tensors. A file that names more is refused before its header is parsed,
// which for the largest headers that the format allows would take half a minute and a gigabyte.
func OpenLimited(path string, maxTensors int) (*Checkpoint, error) {
	return open(path, Disk, maxTensors)
}

// OpenFrom is OpenLimited for files that are elsewhere.
func OpenFrom(files Files, path string, maxTensors int) (*Checkpoint, error) {
	return open(path, files, maxTensors)
}

// OpenSafetensors opens one safetensors file, whatever its name.
func OpenSafetensors(path string) (*Checkpoint, error) {
	c := &Checkpoint{byName: make(map[string]*Tensor), left: MaxTensors}
	if _, err := c.addFile(path, readSafetensors, Disk); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func open(path string, files Files, maxTensors int) (*Checkpoint, error) {
	info, err := files.Stat(path)
	if err != nil {
		return nil, openError(path, err)
	}
	c := &Checkpoint{byName: make(map[string]*Tensor), left: maxTensors}
	var s *set
	if info.IsDir() {
		s, c.notes, err = findSet(path, files, maxTensors)
	} else {
		s, c.notes, err = setOf(path, files, maxTensors)
	}
	if err == nil {
		err = c.addSet(s, files)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) addSet(s *set, files Files) error {
	for _, name := range s.files {
		tensors, err := c.addFile(s.path(name), s.read, files)
		if err != nil {
			return err
		}
		if s.index != nil {
			if err := s.index.check(name, tensors); err != nil {
				return err
			}
		}
	}
	return nil
}

// addFile opens one weight file and adds its tensors.
func (c *Checkpoint) addFile(path string, read reader, files Files) ([]*Tensor, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	c.files = append(c.files, f)
	c.paths = append(c.paths, path)
	tensors, err := read(path, f, c.left)
	if err != nil {
		return nil, err
	}
	c.left -= len(tensors)
	for _, t := range tensors {
		if other, ok := c.byName[t.Name]; ok {
			return nil, tensorError(ErrIndex, path, t.Name, "%s holds a tensor of the same name", other.File)
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

// Notes tell which files were taken where it is not what the path says: sentences for the user.
func (c *Checkpoint) Notes() []string { return slices.Clone(c.notes) }
