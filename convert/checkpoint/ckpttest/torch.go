package ckpttest

import (
	"fmt"
	"os"
	"strconv"
)

// TorchOptions are deviations from what torch.save(model.state_dict(), path) writes.
type TorchOptions struct {
	Dir        string // name of the top directory; "archive" if empty
	Wrap       string // save {Wrap: state_dict} instead of the state dict
	Parameters bool   // wrap each tensor as torch.nn.Parameter does
	ByteOrder  string // "little" if empty
	Compress   bool   // compress the storages
}

// WriteTorch writes tensors to a torch file at path, in their order. A nil opts is as torch.save writes.
func WriteTorch(path string, tensors []Tensor, opts *TorchOptions) error {
	data, err := EncodeTorch(tensors, opts)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// EncodeTorch returns the bytes of a torch file.
func EncodeTorch(tensors []Tensor, opts *TorchOptions) ([]byte, error) {
	if opts == nil {
		opts = &TorchOptions{}
	}
	storages, of, err := layOut(tensors)
	if err != nil {
		return nil, err
	}
	entries := []Entry{{Name: "data.pkl", Data: statePickle(tensors, of, opts)}}
	order := opts.ByteOrder
	if order == "" {
		order = "little"
	}
	entries = append(entries, Entry{Name: "byteorder", Data: []byte(order)})
	for _, s := range storages {
		data, err := s.bytes()
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Name: "data/" + s.key, Data: data, Compress: opts.Compress})
	}
	entries = append(entries,
		Entry{Name: "version", Data: []byte("3\n")},
		Entry{Name: ".data/serialization_id", Data: []byte("0636067811126397041105033331362126091427")})
	return EncodeZip(opts.Dir, entries)
}

// storage is a run of elements that tensors are views of.
type storage struct {
	key, dtype string
	data       []float32
}

func (s *storage) bytes() (out []byte, err error) {
	for _, v := range s.data {
		if out, err = appendElement(out, s.dtype, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// layOut puts the values of all tensors into storages, in the order torch numbers them, and returns the storage of each tensor.
func layOut(tensors []Tensor) (storages, of []*storage, err error) {
	named := make(map[string]*storage)
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, nil, err
		}
		s := named[t.Storage]
		if t.Storage == "" || s == nil {
			s = &storage{key: strconv.Itoa(len(storages)), dtype: t.DType}
			storages = append(storages, s)
			named[t.Storage] = s
		}
		if s.dtype != t.DType {
			return nil, nil, fmt.Errorf("ckpttest: tensor %q: storage %q holds %s, not %s", t.Name, t.Storage, s.dtype, t.DType)
		}
		strides := t.strides()
		for i, v := range t.Data {
			at := t.Offset
			for d, rest := len(t.Shape)-1, i; d >= 0; d-- {
				at += rest % t.Shape[d] * strides[d]
				rest /= t.Shape[d]
			}
			for at >= len(s.data) {
				s.data = append(s.data, 0)
			}
			s.data[at] = v
		}
		of = append(of, s)
	}
	return storages, of, nil
}

// strides returns the strides to save.
func (t Tensor) strides() []int {
	if t.Strides != nil {
		return t.Strides
	}
	strides := make([]int, len(t.Shape))
	next := 1
	for d := len(t.Shape) - 1; d >= 0; d-- {
		strides[d] = next
		next *= max(t.Shape[d], 1)
	}
	return strides
}
