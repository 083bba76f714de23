package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format/plaintext"
)

// Places where people point to: a checkpoint is a directory with config.json and weights, and what is given is often one near it.

// smallFiles are files of a checkpoint that are not weights. One of them stands for its directory.
var smallFiles = []string{
	"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json",
	"vocab.json", "merges.txt", addedTokens, specialTokensMap, "README.md",
}

// maxNesting is how many directories lie in each other, from the one that is given to the checkpoint: of the Hub's cache,
// huggingface/hub/models--X/snapshots/REVISION.
const maxNesting = 5

// Locate returns the checkpoint directory, or the weight file, that path stands for, and a note if it is another one.
func Locate(path string) (found string, notes []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() { // to open a pipe would wait for somebody to write to it
			return "", nil, &checkpoint.Error{Kind: checkpoint.ErrUnknown, Path: path, Err: errNotRegular}
		}
		if strings.EqualFold(filepath.Ext(path), ".stm") {
			return "", nil, fmt.Errorf("%s %w", path, ErrIsModel)
		}
		if slices.Contains(smallFiles, filepath.Base(path)) {
			dir := filepath.Dir(path)
			return dir, []string{fmt.Sprintf("%s is a file of the checkpoint %s, which is read", path, dir)}, nil
		}
		return path, nil, nil
	}
	found = path
	for range maxNesting {
		if holdsCheckpoint(found) {
			break
		}
		next, err := inside(found)
		if err != nil {
			return "", nil, err
		}
		if next == "" {
			return path, nil, nil // what is missing there is told by whoever opens it
		}
		found = next
	}
	if found != path {
		if !holdsCheckpoint(found) {
			return path, nil, nil
		}
		notes = append(notes, fmt.Sprintf("%s holds one checkpoint, %s, which is read", path, found))
	}
	return found, notes, nil
}

// holdsCheckpoint reports whether a directory has config.json or weights.
func holdsCheckpoint(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		return e.Name() == "config.json" || e.Name() == "adapter_config.json" || !e.IsDir() && slices.Contains([]string{".safetensors", ".bin", ".gguf", ".pth"}, ext)
	})
}

// revision is what a snapshot of the Hub's cache is called.
var revision = regexp.MustCompile(`^[0-9a-f]{40}$`)

// inside returns the only directory of a directory that may hold the checkpoint; "" if none does. Of the snapshots in the Hub's cache that
// is the one that refs/main names, or the only one.
func inside(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", dir, cause(err))
	}
	var dirs, snapshots []string
	for _, e := range entries {
		sub := filepath.Join(dir, e.Name())
		if info, err := os.Stat(sub); err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if e.Name() == "snapshots" || e.Name() == "hub" {
			return sub, nil // of models--X, beside blobs and refs, and of the Hub's cache, beside others
		}
		if revision.MatchString(e.Name()) {
			snapshots = append(snapshots, sub)
		}
		dirs = append(dirs, sub)
	}
	if filepath.Base(absolute(dir)) == "snapshots" && len(snapshots) > 0 {
		return snapshot(dir, snapshots)
	}
	holding := slices.DeleteFunc(slices.Clone(dirs), func(d string) bool { return !holdsCheckpoint(d) })
	switch {
	case len(holding) == 1:
		return holding[0], nil
	case len(holding) > 1:
		return "", severalError(dir, holding)
	case len(dirs) == 1:
		return dirs[0], nil
	}
	models := slices.DeleteFunc(dirs, func(d string) bool { return !strings.HasPrefix(filepath.Base(d), "models--") })
	switch {
	case len(models) == 1:
		return models[0], nil
	case len(models) > 1:
		return "", severalError(dir, models)
	}
	return "", nil
}

// snapshot chooses one of the snapshots in a directory.
func snapshot(dir string, all []string) (string, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	if main, err := os.ReadFile(filepath.Join(filepath.Dir(absolute(dir)), "refs", "main")); err == nil {
		if want := filepath.Join(dir, strings.TrimSpace(string(main))); slices.Contains(all, want) {
			return want, nil
		}
	}
	return "", severalError(dir, all)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func severalError(dir string, all []string) error {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = filepath.Base(d)
	}
	return fmt.Errorf("%s %w: %s", dir, ErrSeveral, strings.Join(names[:min(len(names), 8)], ", "))
}

// readSmall reads a small file of a checkpoint, which is text, in UTF-8. The error of one that is not there is fs.ErrNotExist.
func readSmall(files checkpoint.Files, path string) ([]byte, error) {
	info, err := files.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if target, e := os.Readlink(path); e == nil {
			return nil, &checkpoint.Error{Kind: errLink, Path: path, Err: fmt.Errorf("a link to %s, which does not exist", target)}
		}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	case info.Size() > maxSmall:
		return nil, fmt.Errorf("%d bytes are more than the %d that such a file may have", info.Size(), maxSmall)
	}
	text, err := files.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 && strings.EqualFold(filepath.Ext(path), ".jinja") {
		return text, nil // no template
	}
	if err := checkpoint.Sniff(path, text[:min(512, len(text))], int64(len(text))); err != nil {
		return nil, err
	}
	return plaintext.Decode(text)
}

// maxSmall is the most that a file besides weights may have: the largest tokenizer.json have 40 MB.
const maxSmall = 256 << 20

// ReadConfig returns the text of config.json in a directory, nil if there is none.
func ReadConfig(dir string) ([]byte, error) {
	path := filepath.Join(dir, "config.json")
	text, err := readSmall(checkpoint.Disk, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(path, err)
	}
	return text, nil
}
