package outfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// unsynced is a file on a file system without fsync.
type unsynced struct {
	*os.File
	err error
}

func (f unsynced) Sync() error { return &os.PathError{Op: "sync", Path: f.Name(), Err: f.err} }

// Files are written on file systems that refuse what ext4 does: FAT and CIFS have no hard links and no sync of directories, FUSE and 9p
// lack renames that replace nothing, and some refuse all of it. What a disk says of its faults is told.
func TestRefused(t *testing.T) {
	oldSync, oldLink, oldRename := fsync, link, renameat2
	defer func() { fsync, link, renameat2 = oldSync, oldLink, oldRename }()
	for _, tt := range []struct {
		name                           string
		sync, syncDir, link, renameat2 error
		want                           error
	}{
		{"CIFS", nil, syscall.EINVAL, syscall.EOPNOTSUPP, syscall.EINVAL, nil},
		{"FAT", nil, nil, syscall.EPERM, syscall.EINVAL, nil},
		{"9p", nil, syscall.EBADF, syscall.EPERM, syscall.EINVAL, nil},
		{"FUSE", syscall.ENOSYS, syscall.ENOSYS, syscall.ENOSYS, syscall.ENOSYS, nil},
		{"objects", syscall.EOPNOTSUPP, syscall.EOPNOTSUPP, syscall.EOPNOTSUPP, syscall.EOPNOTSUPP, nil},
		{"a sandbox", syscall.EINVAL, syscall.EPERM, syscall.EACCES, syscall.EPERM, nil},
		{"a disk that fails", syscall.EIO, nil, nil, nil, syscall.EIO},
		{"a full disk", syscall.ENOSPC, nil, nil, nil, syscall.ENOSPC},
		{"a directory that cannot be written", nil, syscall.EIO, nil, nil, syscall.EIO},
	} {
		fsync = func(*os.File) error { return tt.syncDir }
		link = func(from, to string) error {
			if tt.link != nil {
				return tt.link
			}
			return oldLink(from, to)
		}
		renameat2 = func(a int, from string, b int, to string, flags uint) error {
			if tt.renameat2 != nil {
				return tt.renameat2
			}
			return oldRename(a, from, b, to, flags)
		}
		for _, replace := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "out")
			opts := Options{Replace: replace}
			if tt.sync != nil {
				opts.Open = func(path string) (Target, error) {
					f, err := os.OpenFile(path, os.O_RDWR, 0)
					return unsynced{f, tt.sync}, err
				}
			}
			fill := func(w io.Writer) error {
				_, err := io.WriteString(w, "text")
				return err
			}
			err := Write(path, opts, fill)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: error is %v, want %v", tt.name, err, tt.want)
			}
			if text, _ := os.ReadFile(path); tt.want == nil && string(text) != "text" {
				t.Errorf("%s: the file has %q", tt.name, text)
			}
			if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 1 {
				t.Errorf("%s: the directory has %v", tt.name, entries)
			}
			if tt.want != nil {
				continue
			}
			if err := Write(path, opts, fill); replace && err != nil || !replace && !errors.Is(err, ErrExists) {
				t.Errorf("%s: once more: %v", tt.name, err)
			}
		}
	}
}
