package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"st/format/filelock"
)

// The folder that huggingface_hub keeps downloads in, and other programs with it, has for each repository
//
//	models--ORG--NAME/refs/REV               the commit that a branch or a tag stood for
//	models--ORG--NAME/blobs/ETAG             files, by their hash
//	models--ORG--NAME/snapshots/COMMIT/PATH  links to them
//
// and locks in .locks/models--ORG--NAME/ETAG.lock.

// folder is where the cache has a repository; "": nowhere.
func (c *Client) folder(ref Ref, id string) string {
	if c.config.Cache == "" || ref.Service != HuggingFace {
		return ""
	}
	return filepath.Join(c.config.Cache, "models--"+strings.ReplaceAll(id, "/", "--"))
}

// Cached returns where the cache has a file of the repository; ok is false if it has not.
func (r *Repository) Cached(f *File) (path string, ok bool) {
	for _, id := range []string{r.ID, r.Ref.ID()} {
		folder := r.client.folder(r.Ref, id)
		if folder == "" {
			return "", false
		}
		for _, path := range []string{filepath.Join(folder, "snapshots", r.Commit, filepath.FromSlash(f.Path)), filepath.Join(folder, "blobs", f.ETag())} {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == f.Size {
				return path, true
			}
		}
	}
	return "", false
}

// OpenCached opens a repository from the cache, without a request, and returns the directory of its files. They have the hashes by which they are kept.
func (c *Client) OpenCached(ref Ref) (r *Repository, dir string, err error) {
	folder := c.folder(ref, ref.ID())
	if folder == "" {
		return nil, "", fmt.Errorf("%s: %w", ref, ErrOffline)
	}
	revision := cmp.Or(ref.Revision, defaultRevision)
	commit := revision
	if !commitHash.MatchString(revision) {
		text, err := os.ReadFile(filepath.Join(folder, "refs", filepath.FromSlash(revision)))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w: %s", ref, ErrOffline, folder)
		}
		commit = strings.TrimSpace(string(text))
	}
	if !commitHash.MatchString(commit) {
		return nil, "", fmt.Errorf("%s: %w: %s", ref, ErrOffline, folder)
	}
	dir = filepath.Join(folder, "snapshots", commit)
	r = &Repository{ID: ref.ID(), Commit: commit}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if info, e := os.Stat(path); err == nil && e == nil && info.Mode().IsRegular() {
			f := File{Path: filepath.ToSlash(name), Size: info.Size()}
			if blob, e := os.Readlink(path); e == nil && gitHash.MatchString(filepath.Base(blob)) {
				f.setETag(filepath.Base(blob))
			}
			r.Files = append(r.Files, f)
		}
		return err
	})
	if err != nil || len(r.Files) == 0 {
		return nil, "", fmt.Errorf("%s: %w: %s", ref, ErrOffline, dir)
	}
	return r, dir, r.attach(ref, c, huggingFace{})
}

// ErrNoCache is about a configuration without a folder for downloads, or a service that has none.
var ErrNoCache = errors.New("there is no folder to keep downloads in")

// Keep downloads files into the cache, unless they are there, and returns the directory of the snapshot that has them. It continues the parts of
// files that an interrupted run left. progress, if not nil, is called with the number of bytes that came or were there.
func (r *Repository) Keep(ctx context.Context, files []*File, progress func(f *File, bytes int64)) (dir string, err error) {
	folder := r.client.folder(r.Ref, r.Ref.ID()) // a repository that was renamed is looked for under the name that it was asked for by
	if folder == "" {
		return "", fmt.Errorf("%s: %w", r.Ref, ErrNoCache)
	}
	if progress == nil {
		progress = func(*File, int64) {}
	}
	dir = filepath.Join(folder, "snapshots", r.Commit)
	for _, f := range files {
		if err := r.keep(ctx, folder, dir, f, progress); err != nil {
			return "", err
		}
	}
	// The revision is recorded last, when all files of the commit are there.
	if revision := cmp.Or(r.Ref.Revision, defaultRevision); revision != r.Commit {
		ref := filepath.Join(folder, "refs", filepath.FromSlash(revision))
		if err := writeRef(ref, r.Commit); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func writeRef(path, commit string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	if err := os.WriteFile(temp, []byte(commit), 0o666); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// keep brings one file.
func (r *Repository) keep(ctx context.Context, folder, dir string, f *File, progress func(*File, int64)) error {
	name := filepath.FromSlash(f.Path)
	if !filepath.IsLocal(name) || f.ETag() == "" {
		return fmt.Errorf("%s: %w: a file of this name or without a hash cannot be kept", r.Name(f), ErrProtocol)
	}
	pointer := filepath.Join(dir, name)
	if info, err := os.Stat(pointer); err == nil && info.Size() == f.Size {
		progress(f, f.Size)
		return nil
	}
	blob := filepath.Join(folder, "blobs", f.ETag())
	lockPath := filepath.Join(filepath.Dir(folder), ".locks", filepath.Base(folder), f.ETag()+".lock")
	for _, path := range []string{blob, pointer, lockPath} {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
	}
	lock, err := os.OpenFile(lockPath, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := waitLock(ctx, lock); err != nil {
		return err
	}
	if info, err := os.Stat(blob); err != nil || info.Size() != f.Size {
		if err := r.download(ctx, f, blob, progress); err != nil {
			return err
		}
	} else {
		progress(f, f.Size)
	}
	if err := os.Remove(pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(pointer), blob)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, pointer); err != nil {
		return os.Rename(blob, pointer) // as huggingface_hub does where links cannot be made
	}
	return nil
}

// waitLock takes a lock that other programs hold for as long as they download the file.
func waitLock(ctx context.Context, f *os.File) error {
	done := make(chan error, 1)
	go func() { done <- filelock.Lock(f) }()
	select {
	case err := <-done:
		if errors.Is(err, filelock.ErrUnsupported) {
			return nil // the file is complete or not there all the same
		}
		return err
	case <-ctx.Done():
		return ctx.Err() // the goroutine ends when the file is closed, or whoever has the lock gives it up
	}
}

// download brings a blob, which gets its name when its hash is right.
func (r *Repository) download(ctx context.Context, f *File, blob string, progress func(*File, int64)) error {
	path := blob + ".incomplete"
	out, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer out.Close()
	hasher := NewHasher(f)
	// What is there counts if its end is right, which shows in the hash of all.
	have, err := io.Copy(hasher, io.LimitReader(out, f.Size))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	progress(f, have)
	s := r.Stream(ctx, []Span{{f, have, f.Size}}, 12*r.client.config.Piece)
	defer s.Close()
	for at := have; ; {
		p, ok, err := s.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		hasher.Write(p.Data)
		if _, err := out.WriteAt(p.Data, at); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		at += int64(len(p.Data))
		progress(f, int64(len(p.Data)))
		s.Release(p)
	}
	if err := hasher.Check(r.Name(f)); err != nil {
		os.Remove(path) // so that the next run starts from the beginning
		return err
	}
	if err := errors.Join(out.Truncate(f.Size), out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path, blob)
}
