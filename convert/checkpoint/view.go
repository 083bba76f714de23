package checkpoint

import (
	"errors"
	"fmt"
)

// maxExpanded is the number of elements that an expanded tensor may have: one of more dimensions than its storage, in which the same elements come
// again and again. Vectors of a norm are such where all are set to one number. It bounds how much larger a tensor may be than its file.
const maxExpanded = 1 << 20

// checkView verifies that all elements of a tensor lie within its storage. It returns the strides, or nil if they are those of
// a row-major tensor.
func checkView(p *torchTensor) ([]int64, error) {
	if len(p.size) != len(p.stride) {
		return nil, fmt.Errorf("%d sizes but %d strides", len(p.size), len(p.stride))
	}
	dims := make([]int64, len(p.size))
	for i, n := range p.size {
		if n < 0 || p.stride[i] < 0 {
			return nil, fmt.Errorf("size %v, stride %v: negative", p.size, p.stride)
		}
		dims[i] = int64(n)
	}
	bytes, err := byteSize(p.storage.dtype, dims)
	if err != nil {
		return nil, err
	}
	numel := int64(p.storage.numel)
	elements := bytes * 8 / p.storage.dtype.bits()
	distinct := elements // those in the storage
	for i, n := range dims {
		if p.stride[i] == 0 && n > 1 {
			distinct /= n
		}
	}
	if distinct > numel || elements > max(numel, maxExpanded) {
		return nil, fmt.Errorf("%d elements in a storage of %d", elements, numel)
	}
	offset := int64(p.offset)
	if offset < 0 || offset > numel {
		return nil, fmt.Errorf("offset %d in a storage of %d elements", offset, numel)
	}
	if elements == 0 {
		return nil, nil
	}
	if offset == numel {
		return nil, errors.New("it begins at the end of its storage")
	}

	strides := make([]int64, len(dims))
	rowMajor := true
	last, next := offset, int64(1) // index of the last element so far; stride that a row-major tensor would have
	for i := len(dims) - 1; i >= 0; i-- {
		if dims[i] == 1 {
			continue // torch leaves any stride there; it is never used
		}
		strides[i] = int64(p.stride[i])
		rowMajor = rowMajor && strides[i] == next
		next *= dims[i]
		if strides[i] > (numel-1-last)/(dims[i]-1) {
			return nil, errors.New("its offset and strides reach beyond its storage")
		}
		last += (dims[i] - 1) * strides[i]
	}
	if rowMajor {
		return nil, nil
	}
	return strides, nil
}
