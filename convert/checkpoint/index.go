package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"st/format/plaintext"
	"st/tokenizer/hffile"
)

// maxIndexBytes bounds an index file; the index of a model with 100,000 tensors takes about 10 MB.
const maxIndexBytes = 100 << 20

// index is a model.safetensors.index.json or pytorch_model.bin.index.json: which shard holds which tensor.
type index struct {
	path   string
	shards []string            // file names relative to the index, in order of name
	names  map[string][]string // names of the tensors of each shard, in the order of the index
	max    int                 // tensors, at most
	count  int                 // tensors
}

func readIndex(path string, files Files, max int) (*index, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(path, f, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	return parseIndex(path, data, max)
}

// parseIndex refuses an index of more than max tensors before it parses it: an entry has a colon at least, of which there are few else.
func parseIndex(path string, data []byte, max int) (*index, error) {
	x := &index{path: path, max: max}
	if n := bytes.Count(data, []byte(":")); n/2 > max+1000 { // half of them may be in names
		return nil, fileError(ErrTooMany, path, "%w", tooMany(max+1, max))
	}
	data, err := plaintext.Decode(data)
	if err != nil {
		return nil, fileError(ErrMalformed, path, "%w", err)
	}
	err = parseObject(hffile.QuoteNumbers(data), func(dec *json.Decoder, key string) error {
		if key != "weight_map" {
			return skipValue(dec) // "metadata" holds sizes that the shards' headers tell better
		}
		x.names = make(map[string][]string)
		if err := eachKey(dec, math.MaxInt, x.addTensor); err != nil {
			return fmt.Errorf("weight_map: %w", err)
		}
		return nil
	})
	if err == nil && len(x.shards) == 0 {
		err = errors.New("weight_map is missing or empty")
	}
	if err != nil {
		return nil, fileError(kindOf(err), path, "%w", err)
	}
	slices.Sort(x.shards)
	return x, nil
}

func (x *index) addTensor(dec *json.Decoder, name string) error {
	if x.count++; x.count > x.max {
		return tooMany(x.count, x.max)
	}
	shard, err := readString(dec)
	if err != nil {
		return fmt.Errorf("tensor %s: file name: %w", quote(name), err)
	}
	// Downloads may be symbolic links to anywhere, but a name in an index may not leave the index's directory.
	if !fs.ValidPath(shard) || !filepath.IsLocal(shard) || shard == "." || strings.ContainsAny(shard, "\\:\x00") {
		return fmt.Errorf("tensor %s: refusing shard %s: not a plain path inside the checkpoint's directory", quote(name), quote(shard))
	}
	if _, ok := x.names[shard]; !ok {
		x.shards = append(x.shards, shard)
	}
	x.names[shard] = append(x.names[shard], name)
	return nil
}

// check compares what the index says of a shard with the tensors that the shard holds.
func (x *index) check(shard string, tensors []*Tensor) error {
	path := filepath.Join(filepath.Dir(x.path), filepath.FromSlash(shard))
	held := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		held[t.Name] = true
	}
	for _, name := range x.names[shard] {
		if !held[name] {
			return tensorError(ErrIndex, path, name, "%s names it but the shard does not hold it", filepath.Base(x.path))
		}
		delete(held, name)
	}
	for _, t := range tensors {
		if held[t.Name] {
			return tensorError(ErrIndex, path, t.Name, "the shard holds it but %s does not list it there", filepath.Base(x.path))
		}
	}
	return nil
}
