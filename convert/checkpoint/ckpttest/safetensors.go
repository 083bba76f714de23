package ckpttest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// WriteSafetensors writes tensors to a safetensors file at path, in their order.
func WriteSafetensors(path string, tensors []Tensor) error {
	data, err := EncodeSafetensors(tensors)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// EncodeSafetensors returns the bytes of a safetensors file.
func EncodeSafetensors(tensors []Tensor) ([]byte, error) {
	var header bytes.Buffer
	var data []byte
	header.WriteString(`{"__metadata__":{"format":"pt"}`)
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, err
		}
		begin := len(data)
		for _, v := range t.Data {
			var err error
			if data, err = appendElement(data, t.DType, v); err != nil {
				return nil, err
			}
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...)) // a scalar's is [], not null
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&header, `,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, t.DType, shape, begin, len(data))
	}
	header.WriteString("}")
	return RawSafetensors(header.String(), data), nil
}

// RawSafetensors returns the bytes of a safetensors file with the given header, which may be malformed, and data. The header is
// padded with spaces to a multiple of eight bytes.
func RawSafetensors(header string, data []byte) []byte {
	padded := (len(header) + 7) / 8 * 8
	out := binary.LittleEndian.AppendUint64(nil, uint64(padded))
	out = append(out, header...)
	out = append(out, bytes.Repeat([]byte(" "), padded-len(header))...)
	return append(out, data...)
}

// WriteIndex writes the index of a sharded checkpoint at path. weightMap holds the file name of each tensor's shard.
func WriteIndex(path string, weightMap map[string]string) error {
	data, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{}, "weight_map": weightMap}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// WriteShards writes a sharded safetensors checkpoint to dir, a shard for each element of shards, and its index.
func WriteShards(dir string, shards [][]Tensor) error {
	weightMap := make(map[string]string)
	for i, tensors := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := WriteSafetensors(filepath.Join(dir, name), tensors); err != nil {
			return err
		}
		for _, t := range tensors {
			weightMap[t.Name] = name
		}
	}
	return WriteIndex(filepath.Join(dir, "model.safetensors.index.json"), weightMap)
}
