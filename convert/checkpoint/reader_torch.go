package checkpoint

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A torch file is a zip file with one directory of any name, written d here: d/data.pkl is a pickle of the state dict, and
// d/data/0, d/data/1 … are the storages its tensors are views of, stored without compression. The other entries, d/version
// and such, are of no interest, but for d/byteorder.

func readTorch(path string, f file, max int) ([]*Tensor, error) {
	first, err := head(path, f, sniffBytes)
	if err != nil {
		return nil, err
	}
	switch {
	case looksSafetensors(first):
		return readSafetensors(path, f, max) // whatever its name says
	case !bytes.HasPrefix(first, []byte("PK")):
		return nil, notZip(path, first)
	}
	z, err := openTorchZip(path, f)
	if err != nil {
		return nil, err
	}
	data, err := z.read("data.pkl", maxPickleBytes)
	if err != nil {
		return nil, err
	}
	root, err := unpickle(data)
	if err != nil {
		return nil, fileError(pickleKind(err), path, "data.pkl: %w", err)
	}
	state, err := stateDict(path, root)
	if err != nil {
		return nil, err
	}
	if len(state) > max {
		return nil, fileError(ErrTooMany, path, "%w", tooMany(len(state), max))
	}
	tensors := make([]*Tensor, 0, len(state))
	seen := make(map[string]bool, len(state))
	for _, e := range state {
		if seen[e.name] {
			return nil, tensorError(ErrTorch, path, e.name, "appears twice")
		}
		seen[e.name] = true
		t, err := z.tensor(e.name, e.tensor)
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, t)
	}
	slices.SortStableFunc(tensors, func(a, b *Tensor) int { return cmp.Compare(a.off, b.off) })
	return tensors, nil
}

// notZip tells what a file that should be a zip file is.
func notZip(path string, first []byte) error {
	// Before torch 1.6, a file began with the pickle of a magic number, in bytes or of the protocols 0 and 1 in digits; before 0.1.10, it was a tar file.
	begin := first[:min(40, len(first))]
	legacy := bytes.Contains(begin, []byte("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")) || bytes.HasPrefix(begin, []byte("L119547037146038801333356L")) ||
		len(first) >= 262 && string(first[257:262]) == "ustar"
	if legacy {
		return &Error{Kind: ErrOldTorch, Path: path, Err: ErrOldTorch}
	}
	return fileError(ErrMalformed, path, "neither a zip file nor an older torch file")
}

type namedTensor struct {
	name   string
	tensor *torchTensor
}

// stateKeys are the entries under which training programs save a state dict in a dict that holds other things, too: Lightning's, DeepSpeed's, and
// what torch's own examples call it.
var stateKeys = []any{"state_dict", "module", "model_state_dict", "model"}

// stateDict returns the tensors of an unpickled state dict. What is beside an entry of stateKeys is left out.
func stateDict(path string, root any) ([]namedTensor, error) {
	entries, ok := dictEntries(root)
	if !ok {
		return nil, fileError(ErrTorch, path, "data.pkl: holds %s, not a state dict", pythonType(root))
	}
	for _, e := range entries {
		if inner, ok := dictEntries(e.Value); ok && slices.Contains(stateKeys, e.Key) {
			entries = inner
			break
		}
	}
	if len(entries) == 0 {
		return nil, fileError(ErrTorch, path, "data.pkl: the state dict is empty")
	}
	tensors := make([]namedTensor, len(entries))
	for i, e := range entries {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fileError(ErrTorch, path, "data.pkl: a key of the state dict is %s, not a string", pythonType(e.Key))
		}
		t, ok := e.Value.(*torchTensor)
		if !ok {
			return nil, fileError(ErrTorch, path, "data.pkl: entry %s is %s, not a tensor", quote(name), pythonType(e.Value))
		}
		tensors[i] = namedTensor{name, t}
	}
	return tensors, nil
}

// maxZipBytes bounds what is read of a zip file besides weights: its directory, which archive/zip holds in memory, and data.pkl.
const maxZipBytes = 128 << 20

// budget fails reads once left bytes have been asked for.
type budget struct {
	io.ReaderAt
	left int
}

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("the zip directory is too large")
	}
	return b.ReaderAt.ReadAt(p, off)
}

// torchZip is an open torch file.
type torchZip struct {
	path    string
	src     file
	entries map[string]*zip.File // by name without the top directory
}

func openTorchZip(path string, f file) (*torchZip, error) {
	r, err := zip.NewReader(&budget{f, maxZipBytes}, f.Size())
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fileError(ErrTruncated, path, "a zip file that is cut short or damaged")
	}
	if err != nil {
		return nil, fileError(errRead, path, "cannot read the zip directory: %w", err)
	}
	z := &torchZip{path: path, src: f, entries: make(map[string]*zip.File)}
	top := ""
	for _, entry := range r.File {
		dir, name, ok := strings.Cut(entry.Name, "/")
		if !ok {
			continue
		}
		if top == "" {
			top = dir
		}
		if dir != top {
			return nil, fileError(ErrTorch, path, "has the top directories %s and %s, not one as torch.save writes", quote(top), quote(dir))
		}
		if z.entries[name] != nil {
			return nil, fileError(ErrMalformed, path, "zip entry %s appears twice", quote(entry.Name))
		}
		z.entries[name] = entry
	}
	if z.entries["data.pkl"] == nil {
		return nil, fileError(ErrPacked, path, "a zip file without data.pkl, not written by torch.save")
	}
	if z.entries["byteorder"] != nil {
		order, err := z.read("byteorder", 16)
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fileError(ErrTorch, path, "byteorder is %s, and only little is read", quote(string(order)))
		}
	}
	return z, nil
}

// locate returns the place of an entry's bytes in the file.
func (z *torchZip) locate(name string) (off, size int64, err error) {
	entry := z.entries[name]
	if entry == nil {
		return 0, 0, fmt.Errorf("zip entry %s is missing", quote(name))
	}
	if entry.Method != zip.Store || entry.Flags&1 != 0 || entry.CompressedSize64 != entry.UncompressedSize64 {
		return 0, 0, fmt.Errorf("zip entry %s is %w, as torch.save never writes it", quote(name), ErrRepacked)
	}
	if off, err = entry.DataOffset(); err != nil {
		return 0, 0, fmt.Errorf("zip entry %s: %w", quote(name), err)
	}
	if rest := z.src.Size() - off; rest < 0 || entry.UncompressedSize64 > uint64(rest) {
		return 0, 0, fmt.Errorf("zip entry %s reaches beyond the end of the file", quote(name))
	}
	return off, int64(entry.UncompressedSize64), nil
}

// zipKind returns the kind of an error of locate.
func zipKind(err error) error {
	if errors.Is(err, ErrRepacked) {
		return ErrRepacked
	}
	return ErrMalformed
}

// read returns the bytes of a small entry, after checking their checksum.
func (z *torchZip) read(name string, limit int64) ([]byte, error) {
	_, size, err := z.locate(name)
	if err != nil {
		return nil, fileError(zipKind(err), z.path, "%w", err)
	}
	if size > limit {
		return nil, fileError(ErrTorch, z.path, "%s is %d bytes, more than the %d it may have", name, size, limit)
	}
	r, err := z.entries[name].Open()
	if err == nil {
		defer r.Close()
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			return data, nil
		}
	}
	return nil, fileError(ErrMalformed, z.path, "%s: %w", name, err)
}

// tensor checks what the pickle says of a tensor against the zip entry of its storage.
func (z *torchZip) tensor(name string, p *torchTensor) (*Tensor, error) {
	dtype, numel := p.storage.dtype, p.storage.numel
	if p.dtype != 0 { // a storage without a type, counted in bytes
		dtype, numel = p.dtype, numel/int(p.dtype.bits()/8)
	}
	off, size, err := z.locate("data/" + p.storage.key)
	if err != nil {
		return nil, tensorError(zipKind(err), z.path, name, "%w", err)
	}
	width := dtype.bits() / 8
	if n := int64(numel); n < 0 || n > size/width || n*width != size {
		return nil, tensorError(ErrMalformed, z.path, name, "its storage is %d bytes, not %d elements of %s", size, n, dtype)
	}
	view := *p
	view.storage = &torchStorage{p.storage.key, dtype, numel}
	strides, err := checkView(&view)
	if err != nil {
		return nil, tensorError(ErrTorch, z.path, name, "%w", err)
	}
	t, err := newTensor(z.path, z.src, name, dtype, p.size, off+int64(p.offset)*width)
	if err != nil {
		return nil, err
	}
	t.strides = strides
	return t, nil
}
