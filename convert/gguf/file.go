package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
)

// File is what a header says.
type File struct {
	Path      string
	Size      int64 // of the file
	Version   int
	Alignment int64
	Metadata  []Entry  // in the order of the file
	Tensors   []Tensor // in the order of the file
	DataStart int64    // where the tensors' offsets begin
}

// Entry is a metadata entry.
type Entry struct {
	Key   string
	Type  string // such as "uint32", "string" or "array of string"
	Value string // as text; of an array how long it is
	Count int64  // elements of an array
}

// Tensor is one tensor.
type Tensor struct {
	Name   string
	Shape  []int64 // the outermost dimension first, as in a checkpoint
	Type   Type
	Params int64
	Bytes  int64 // 0 if the type is not known
	Offset int64 // in the file
}

// Open reads the header of the file at path. It fails if that is no GGUF file, is cut short, or says what cannot be.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	defer f.Close()
	file, err := read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.Path = path
	return file, nil
}

// cause drops the operation and path of a *PathError: the error around it names the file.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// finish computes what the header implies, and checks that the tensors lie in the file.
func (f *File) finish(end int64) error {
	f.Alignment = 32
	for _, e := range f.Metadata {
		if e.Key == "general.alignment" {
			if _, err := fmt.Sscan(e.Value, &f.Alignment); err != nil || f.Alignment < 1 || f.Alignment > 1<<20 {
				return fmt.Errorf("general.alignment is %s: the file is damaged, download it again", e.Value)
			}
		}
	}
	f.DataStart = (end + f.Alignment - 1) / f.Alignment * f.Alignment
	seen := map[string]bool{}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if seen[t.Name] {
			return fmt.Errorf("tensor %q is there twice: the file is damaged, download it again", t.Name)
		}
		seen[t.Name] = true
		if err := t.finish(); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if t.Offset < 0 || t.Offset > f.Size-f.DataStart || t.Bytes > f.Size-f.DataStart-t.Offset {
			return fmt.Errorf("tensor %q reaches beyond the end of the file, which is %d bytes long: an incomplete download?", t.Name, f.Size)
		}
		t.Offset += f.DataStart
	}
	return nil
}

// finish computes a tensor's sizes.
func (t *Tensor) finish() error {
	t.Params = 1
	for _, n := range t.Shape {
		if n < 0 || n > 0 && t.Params > math.MaxInt64/8/n {
			return fmt.Errorf("shape %v is too large for any file", t.Shape)
		}
		t.Params *= n
	}
	i, ok := types[t.Type]
	if !ok {
		return nil
	}
	if row := t.Shape[len(t.Shape)-1]; row%i.block != 0 {
		return fmt.Errorf("rows of %d weights are no whole blocks of %s", row, t.Type)
	}
	t.Bytes = t.Params / i.block * i.bytes
	return nil
}
