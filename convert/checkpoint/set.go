package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"st/format"
)

// set is weight files that make a checkpoint together.
type set struct {
	dir   string
	name  string   // what stands for it: its file, its index, or the pattern of its shards
	files []string // relative to dir, with slashes, in order
	index *index   // nil: none
	read  reader
}

func (s *set) path(file string) string { return filepath.Join(s.dir, filepath.FromSlash(file)) }

// layout is a file by which a directory holds its weights.
type layout struct {
	name    string
	indexed bool // the file is an index
	read    reader
}

// layouts are the names by which a checkpoint directory holds its weights, best first.
var layouts = []layout{
	{"model.safetensors", false, readSafetensors},
	{"model.safetensors.index.json", true, readSafetensors},
	{"pytorch_model.bin", false, readTorch},
	{"pytorch_model.bin.index.json", true, readTorch},
}

// findSet returns the weights of a directory, and notes about those that were passed over.
func findSet(dir string, files Files, max int) (*set, []string, error) {
	var first error // what is wrong with the best set that is there
	consider := func(s *set, err error) (*set, []string, error) {
		if err == nil {
			err = s.probe(files)
		}
		switch {
		case err == nil && first == nil:
			return s, nil, nil
		case err == nil:
			return s, []string{fmt.Sprintf("%v: %s is used instead", first, s.name)}, nil
		case !absent(err):
			return nil, nil, err
		case first == nil:
			first = err
		}
		return nil, nil, nil
	}
	for _, layout := range layouts {
		path := filepath.Join(dir, layout.name)
		if _, err := files.Lstat(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, nil, openError(path, err)
		}
		s := &set{dir: dir, name: layout.name, files: []string{layout.name}, read: layout.read}
		var err error
		if layout.indexed {
			s, err = indexedSet(path, layout.read, files, max)
		}
		if s, notes, err := consider(s, err); s != nil || err != nil {
			return s, notes, err
		}
	}
	names, err := weightNames(files, dir)
	if err != nil {
		return nil, nil, openError(dir, err)
	}
	for _, s := range looseSets(dir, names) {
		if len(s.files) == 1 && first != nil {
			continue // it may be a part of what is not whole
		}
		if s, notes, err := consider(s, s.missing(files)); s != nil || err != nil {
			if len(notes) == 0 && s != nil {
				notes = []string{fmt.Sprintf("%s: there is no index: %s is used", dir, s.name)}
			}
			return s, notes, err
		}
	}
	switch {
	case first == nil:
		first = noWeights(dir, names)
	case len(names) == 1 && !slices.ContainsFunc(layouts, func(l layout) bool { return exists(files, filepath.Join(dir, l.name)) }):
		first = fmt.Errorf("%w; %w", noWeights(dir, names), first) // about a file of another name
	}
	return nil, nil, first
}

func exists(files Files, path string) bool {
	_, err := files.Lstat(path)
	return err == nil
}

// noWeights says what a directory lacks.
func noWeights(dir string, names []string) error {
	if len(names) > 1 {
		return fileError(ErrNoWeights, dir, "%w: %s", ErrLoose, list(names))
	}
	var known []string
	for _, layout := range layouts {
		known = append(known, layout.name)
	}
	return fileError(ErrNoWeights, dir, "%w (looked for %s)", ErrNoWeights, strings.Join(known, ", "))
}

// list shows names, and how many more there are.
func list(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// absent reports whether an error is about files that are not there, whatever lies in their place, or about an index that is none.
func absent(err error) bool {
	for _, kind := range []error{fs.ErrNotExist, format.ErrPointer, format.ErrXetPointer,
		ErrShard, ErrMalformed, ErrEmpty, ErrWebPage, ErrText, ErrPacked, ErrZeros, ErrPartial} {

		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// probe looks at how the files of a set begin. The error is about the first that is not there or something else.
func (s *set) probe(files Files) error {
	for _, name := range s.files {
		f, err := files.Open(s.path(name))
		if err != nil {
			return err
		}
		_, err = head(s.path(name), f, sniffBytes)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// indexedSet returns the shards that an index names, all of which are there.
func indexedSet(path string, read reader, files Files, max int) (*set, error) {
	x, err := readIndex(path, files, max)
	if err != nil {
		return nil, err
	}
	s := &set{dir: filepath.Dir(path), name: filepath.Base(path), files: x.shards, index: x, read: read}
	return s, s.missing(files)
}

// missing returns an error that names the files of a set that are not there.
func (s *set) missing(files Files) error {
	var missing []string
	for _, name := range s.files {
		if _, err := files.Lstat(s.path(name)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	path := s.dir
	if s.index != nil {
		path = filepath.Join(s.dir, s.name)
	}
	return fileError(ErrShard, path, "%d of %d shards are not there: %s", len(missing), len(s.files), list(missing))
}

// shardName is how shards are named: "model-00001-of-00003.safetensors".
var shardName = regexp.MustCompile(`^(.+)-(\d{1,6})-of-(\d{1,6})(\.[A-Za-z]+)$`)

// maxShards is the most shards of a set.
const maxShards = 10_000

// shardsLike returns the names of the shards of which the file of that name is one; nil if it is none of several.
func shardsLike(name string) []string {
	m := shardName.FindStringSubmatch(name)
	if m == nil || readerByName(name) == nil {
		return nil
	}
	n, _ := strconv.Atoi(m[3])
	if n < 2 || n > maxShards {
		return nil
	}
	first := 1
	if i, _ := strconv.Atoi(m[2]); i == 0 {
		first = 0 // some programs count from zero
	}
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%0*d-of-%s%s", m[1], len(m[2]), first+i, m[3], m[4])
	}
	return all
}

// notWeights are files beside weights that are named as weights are.
var notWeights = regexp.MustCompile(`(?i)^(adapter_model|optimizer|scheduler|scaler|training_args|rng_state|random_states|consolidated\.safetensors\.index|quantize_config|value_head|tokenizer|model_lm_head\.)`)

// weightNames returns the names of the weight files in a directory.
func weightNames(files Files, dir string) ([]string, error) {
	entries, err := files.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if readerByName(e.Name()) != nil && !notWeights.MatchString(e.Name()) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// looseSets returns the sets that files make by their names alone: shards, or the only file that is none.
func looseSets(dir string, names []string) []*set {
	var sets []*set
	var single []string
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] || slices.ContainsFunc(layouts, func(l layout) bool { return l.name == name }) {
			continue
		}
		all := shardsLike(name)
		if all == nil {
			single = append(single, name)
			continue
		}
		for _, n := range all {
			seen[n] = true
		}
		sets = append(sets, shardSet(dir, all))
	}
	slices.SortStableFunc(sets, func(a, b *set) int { // safetensors first
		return strings.Compare(filepath.Ext(b.files[0]), filepath.Ext(a.files[0]))
	})
	if len(single) == 1 {
		sets = append(sets, &set{dir: dir, name: single[0], files: single, read: readerByName(single[0])})
	}
	return sets
}

func shardSet(dir string, all []string) *set {
	return &set{dir: dir, name: fmt.Sprintf("%s to %s", all[0], all[len(all)-1]), files: all, read: readerByName(all[0])}
}

// setOf returns the weights that a file stands for: all of its index, all shards of which it is one, or it alone.
func setOf(path string, files Files, max int) (*set, []string, error) {
	dir, name := filepath.Dir(path), filepath.Base(path)
	if base, ok := strings.CutSuffix(strings.ToLower(name), ".index.json"); ok {
		read := readTorch
		if strings.HasSuffix(base, ".safetensors") {
			read = readSafetensors
		}
		s, err := indexedSet(path, read, files, max)
		return s, nil, err
	}
	read, err := readerOf(path, files)
	if err != nil {
		return nil, nil, err
	}
	all := shardsLike(name)
	for _, layout := range layouts {
		index := filepath.Join(dir, layout.name)
		if _, err := files.Lstat(index); err != nil || !layout.indexed {
			continue
		}
		s, err := indexedSet(index, layout.read, files, max)
		if err == nil && len(s.files) > 1 && slices.Contains(s.files, name) {
			return s, []string{oneOf(path, s)}, nil
		}
	}
	if all != nil {
		s := shardSet(dir, all)
		return s, []string{oneOf(path, s)}, s.missing(files)
	}
	return &set{dir: dir, name: name, files: []string{name}, read: read}, nil, nil
}

func oneOf(path string, s *set) string {
	return fmt.Sprintf("%s is one of %d shards: all of %s are used", path, len(s.files), s.name)
}

// readerByName chooses by what a name ends with; nil: it says nothing.
func readerByName(name string) reader {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".safetensors":
		return readSafetensors
	case ".bin", ".pt", ".pth":
		return readTorch
	}
	return nil
}

// readerOf chooses by a file's name, and if that says nothing by how it begins.
func readerOf(path string, files Files) (reader, error) {
	if read := readerByName(path); read != nil {
		return read, nil
	}
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	first, err := head(path, f, sniffBytes)
	switch {
	case errors.Is(err, ErrText): // it was not to be a weight file
	case err != nil:
		return nil, err
	case bytes.HasPrefix(first, []byte("PK\x03\x04")):
		return readTorch, nil
	case looksSafetensors(first):
		return readSafetensors, nil
	}
	return nil, fileError(ErrUnknown, path, "%w", ErrUnknown)
}
