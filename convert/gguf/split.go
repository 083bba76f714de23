package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
)

// splitName is how the files of a set are called.
var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// maxShards is above every set: Hugging Face has files of up to 50 GB.
const maxShards = 1 << 10

const setAdvice = "the files are not of one set: download them again, all from the same place"

// set opens the other shards of the set that s belongs to. What it returns is in order and has s in it; all that is not nil is to be closed, even
// if there is an error.
func (s *shard) set(open opener) ([]*shard, error) {
	count, no, err := s.split()
	if err != nil || count == 1 {
		return []*shard{s}, err
	}
	shards := make([]*shard, count)
	shards[no] = s
	dir, base := filepath.Split(s.path)
	name := splitName.FindStringSubmatch(base)
	if name == nil || name[2] != fmt.Sprintf("%05d", no+1) || name[3] != fmt.Sprintf("%05d", count) {
		return shards, fmt.Errorf("%s is file %d of %d of a split model: it must be called NAME-%05d-of-%05d.gguf, with the others beside it",
			s.path, no+1, count, no+1, count)
	}
	tensors := 0
	for i := range shards {
		if i != no {
			path := dir + fmt.Sprintf("%s-%05d-of-%05d.gguf", name[1], i+1, count)
			if shards[i], err = openShard(path, open); errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%s is missing: %s is one of %d files of a split model, and all have to be there: %w", path, base, count, fs.ErrNotExist)
			}
			if err != nil {
				return shards, err
			}
		}
		theirCount, theirNo, err := shards[i].split()
		if err == nil && (theirCount != count || theirNo != i) {
			err = fmt.Errorf("%s says that it is file %d of %d: %s", shards[i].path, theirNo+1, theirCount, setAdvice)
		}
		if err != nil {
			return shards, err
		}
		tensors += len(shards[i].tensors)
	}
	k := keys{metadata: shards[0].metadata}
	if want, ok := find(&k, "split.tensors.count", "a number of tensors", asInt); ok && want != int64(tensors) {
		k.fail("it tells of %d tensors in all, but the %d files have %d: %s", want, count, tensors, setAdvice)
	}
	if k.err != nil {
		return shards, fmt.Errorf("%s: %w", shards[0].path, k.err)
	}
	return shards, nil
}

// split returns of how many files the shard is one, and which, counted from 0.
func (s *shard) split() (count, no int, err error) {
	k := keys{metadata: s.metadata}
	number := func(v any) (int, bool) {
		n, ok := asInt(v)
		return int(n), ok && n >= 0 && n <= maxShards
	}
	const what = "a number from 0 to 1024"
	count, ok := find(&k, "split.count", what, number)
	no, _ = find(&k, "split.no", what, number)
	if k.err != nil {
		return 0, 0, fmt.Errorf("%s: %w", s.path, k.err)
	}
	if !ok || count <= 1 {
		return 1, 0, nil
	}
	if no >= count {
		return 0, 0, fmt.Errorf("%s: split.no is %d, but split.count is %d: %s", s.path, no, count, damaged)
	}
	return count, no, nil
}
