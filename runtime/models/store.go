package models

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Endings of files in a store.
const (
	extension = ".stm"
	// PartSuffix ends the name of a download that is not complete, which begins with the model's file's.
	PartSuffix = ".part"
	// journalSuffix ends the name of the journal that lies beside it.
	journalSuffix = PartSuffix + ".journal"
)

// tagMark stands for the colon of a name, which no file on Windows can have.
const tagMark = "@"

// Directory returns the directory of models: $ST_MODELS, or else st/models in the user's directory for data, which is $XDG_DATA_HOME or
// what the platform has for that.
func Directory() (string, error) {
	if dir := os.Getenv("ST_MODELS"); dir != "" {
		return dir, nil
	}
	dir := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) { // as the XDG Base Directory Specification says
		home, err := os.UserHomeDir()
		switch {
		case runtime.GOOS == "windows":
			dir = os.Getenv("LocalAppData")
		case err != nil:
			return "", fmt.Errorf("the directory of models is not known: %w; ST_MODELS names one", err)
		case runtime.GOOS == "darwin":
			dir = filepath.Join(home, "Library", "Application Support")
		default:
			dir = filepath.Join(home, ".local", "share")
		}
	}
	if !filepath.IsAbs(dir) {
		return "", errors.New("the directory of models is not known: ST_MODELS names one")
	}
	return filepath.Join(dir, "st", "models"), nil
}

// Store is a directory of models.
type Store struct{ dir string }

// Open returns the store in a directory, which need not exist; "": that of [Directory].
func Open(dir string) (*Store, error) {
	if dir == "" {
		var err error
		if dir, err = Directory(); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s, where models are kept, is not a directory", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the directory of models: %w", err)
	}
	return &Store{dir}, nil
}

// Dir returns the directory.
func (s *Store) Dir() string { return s.dir }

// remains is what follows the name of a model's file in those that an interrupted conversion leaves beside it: temporary files, and what a model that
// calibrates itself keeps.
var remains = regexp.MustCompile(`^(\.draft\.stm|\.calibration(-\d+-of-\d+\.safetensors|\.json)?)?(\.\d+-\d+\.tmp)?$`)

// Entry is a model in a store, or a download or a conversion of one that is not complete.
type Entry struct {
	Name     Name
	Path     string // of the model, also while it is not there
	Size     int64  // in bytes, of the file that is there, or of what an interrupted conversion has left
	Modified time.Time
	// Partial says that there is a download that is not complete, or only its journal, or what an interrupted conversion has left, and no model.
	Partial bool
	There   string // path of the file that is there, the first if there are several
}

// List returns what is in the store, by name. Files whose names are no models' are left out.
func (s *Store) List() ([]Entry, error) {
	entries, err := s.list()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was kept yet
	}
	return entries, err
}

func (s *Store) list() (all []Entry, err error) {
	top, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	add := func(org string, e os.DirEntry) {
		if entry, ok := s.entry(org, e.Name()); ok {
			all = append(all, entry)
		}
	}
	for _, e := range top {
		if checkPart(e.Name()) != nil {
			add("", e)
			continue
		}
		below, _ := os.ReadDir(filepath.Join(s.dir, e.Name())) // what is no directory has none
		for _, b := range below {
			add(e.Name(), b)
		}
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name.String()), strings.ToLower(b.Name.String())), cmp.Compare(a.Name.String(), b.Name.String()),
			compareBool(a.Partial, b.Partial))
	})
	return merged(all), nil
}

// merged makes one entry of those that have one name: what is there as a model, and is being made anew, is a model.
func merged(all []Entry) []Entry {
	one := all[:0]
	for _, e := range all {
		last := len(one) - 1
		switch {
		case last < 0 || one[last].Name != e.Name:
			one = append(one, e)
		case one[last].Partial:
			one[last].Size += e.Size
		}
	}
	return one
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// entry returns what a file below an organisation's directory is.
func (s *Store) entry(org, file string) (e Entry, ok bool) {
	name, rest, ok := strings.Cut(file, extension)
	journal := rest == journalSuffix
	partial := journal || rest == PartSuffix || rest != "" && remains.MatchString(rest)
	if !ok || rest != "" && !partial {
		return e, false
	}
	n := Name{Org: org}
	n.Model, n.Tag, _ = strings.Cut(name, tagMark)
	if parsed, err := ParseName(n.String()); err != nil || parsed != n {
		return e, false
	}
	there := filepath.Join(s.dir, org, file)
	info, err := os.Stat(there) // of what a link leads to
	if err != nil || !info.Mode().IsRegular() {
		return e, false
	}
	size := info.Size()
	if journal { // it tells of a download whose file is not there any more
		size = 0
	}
	return Entry{n, s.file(n), size, info.ModTime(), partial, there}, true
}

// file returns the path of a model's file.
func (s *Store) file(n Name) string {
	base := n.Model
	if n.Tag != "" {
		base += tagMark + n.Tag
	}
	return filepath.Join(s.dir, n.Org, base+extension)
}

// NameOf returns the name of the model in a file of the store; ok is false if it is none.
func (s *Store) NameOf(path string) (n Name, ok bool) {
	dir, errDir := filepath.Abs(s.dir)
	abs, err := filepath.Abs(path)
	if err != nil || errDir != nil {
		return n, false
	}
	rel, err := filepath.Rel(dir, abs)
	if err != nil {
		return n, false
	}
	org, file := filepath.Split(rel)
	e, ok := s.entry(strings.TrimSuffix(org, string(filepath.Separator)), file)
	return e.Name, ok && !e.Partial
}

// Path returns where a new model of that name is written, and makes the directory for it. A model that is there under a name that differs only in
// the case of letters has its place: some file systems do not tell them apart.
func (s *Store) Path(name Name) (string, error) {
	name, err := ParseName(name.String())
	if err != nil {
		return "", err
	}
	all, err := s.List()
	if err != nil {
		return "", err
	}
	path := s.file(name)
	for _, e := range all {
		if strings.EqualFold(e.Name.String(), name.String()) {
			path = e.Path
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", fmt.Errorf("the directory of models: %w", err)
	}
	return path, nil
}

// Tidy removes the directory that [Store.Path] made for a model which did not come to be, unless something is in it. Of other paths it removes nothing,
// and no link to a directory elsewhere.
func (s *Store) Tidy(path string) {
	org := filepath.Dir(path)
	if info, err := os.Lstat(org); err == nil && info.IsDir() && filepath.Dir(org) == filepath.Clean(s.dir) {
		_ = os.Remove(org)
	}
}

// ErrPartial is about a model whose download or conversion is not complete.
var ErrPartial = errors.New("is not complete: its download or conversion was interrupted")

// Resolve returns the model that a name means: see [Match].
func (s *Store) Resolve(name string) (Entry, error) {
	all, err := s.List()
	if err != nil {
		return Entry{}, err
	}
	partial := func(e Entry) bool { return e.Partial }
	complete := slices.DeleteFunc(slices.Clone(all), partial)
	i, err := Match(name, Names(complete))
	if err == nil {
		return complete[i], nil
	}
	if errors.Is(err, ErrNotFound) {
		if i, e := Match(name, Names(all)); e == nil {
			return all[i], fmt.Errorf("%s %w", all[i].Name, ErrPartial)
		}
	}
	return Entry{}, err
}

// Names returns the names of models.
func Names(all []Entry) []Name {
	names := make([]Name, len(all))
	for i, e := range all {
		names[i] = e.Name
	}
	return names
}

// Locate returns the file that an argument means, which is a path or a name. It is a path if it begins with a separator, a dot or a tilde, if it
// ends in .stm or .gguf, or if a file of that name exists; else it is the name of a model.
func (s *Store) Locate(arg string) (string, error) {
	if IsPath(arg) {
		return arg, nil
	}
	info, statErr := os.Stat(arg)
	if statErr == nil && !info.IsDir() {
		return arg, nil
	}
	e, err := s.Resolve(arg)
	switch {
	case err == nil:
		return e.Path, nil
	case statErr == nil: // a directory; who opens it tells what is wrong with that
		return arg, nil
	case errors.Is(err, ErrName):
		return "", fmt.Errorf("there is no file %s, and it %w", arg, ErrName)
	case errors.Is(err, ErrNotFound):
		return "", fmt.Errorf("%w, and no file of that name", err)
	}
	return "", err
}

// IsPath reports whether an argument must be the path of a file, by how it is written.
func IsPath(arg string) bool {
	if arg == "" || filepath.IsAbs(arg) || strings.ContainsRune(arg, '\\') || filepath.VolumeName(arg) != "" {
		return true
	}
	return strings.ContainsAny(arg[:1], "./~") || ours.MatchString(filepath.Base(arg))
}
