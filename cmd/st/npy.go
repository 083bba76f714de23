package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
)

// npyHeader returns the beginning of a NumPy file, version 1.0, of a little-endian float32 array [rows, cols].
func npyHeader(rows, cols int) []byte {
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	const prefix = len("\x93NUMPY") + 4 // magic, version, length
	// The data begins at a multiple of 64, which spaces and a newline fill up to.
	length := (prefix+len(dict)+1+63)/64*64 - prefix
	b := append([]byte("\x93NUMPY"), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = append(b, dict...)
	b = append(b, strings.Repeat(" ", length-len(dict)-1)...)
	return append(b, '\n')
}

// floatWriter writes float32 numbers.
type floatWriter struct {
	w   *bufio.Writer
	buf []byte
}

func (f *floatWriter) write(x []float32) error {
	f.buf = f.buf[:0]
	for _, v := range x {
		f.buf = binary.LittleEndian.AppendUint32(f.buf, math.Float32bits(v))
	}
	_, err := f.w.Write(f.buf)
	return err
}

// checkOutput refuses an output file that exists, unless force, one that is an input, and a link, in whose place the file would
// come.
func checkOutput(path string, force bool, inputs ...string) error {
	out, err := os.Stat(path)
	if err != nil {
		return nil // it does not exist, or creating it will tell why it cannot be used
	}
	for _, input := range inputs {
		if in, err := os.Stat(input); err == nil && os.SameFile(in, out) {
			return fmt.Errorf("%s is the input: choose another output", path)
		}
	}
	link, err := os.Lstat(path)
	switch {
	case err == nil && link.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: name the file itself", path)
	case out.IsDir():
		return fmt.Errorf("%s is a directory: name a file", path)
	case !out.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: it cannot be replaced", path)
	case !force:
		return fmt.Errorf("%s exists: use --force to replace it", path)
	}
	return nil
}

// writeFile has fill write a file under a temporary name, and gives it its name when all is well. Otherwise nothing is left
// behind.
func writeFile(path string, fill func(*bufio.Writer) error) (err error) {
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return err
	}
	for _, step := range []func() error{w.Flush, f.Close, func() error { return os.Rename(temp, path) }} {
		if err := step(); err != nil {
			return fmt.Errorf("write %s: %w", path, cause(err))
		}
	}
	return nil
}

// cause drops the temporary name that a *PathError shows: it means nothing to the user.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
