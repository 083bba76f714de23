package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"st/convert"
	"st/convert/hub"
	"st/format"
)

// kept is what the Hub's cache has of a repository.
type kept struct {
	repo *hub.Repository
	dir  string
}

// check compares the hashes of files that were read with those by which they are kept.
func (k *kept) check(sources []format.SourceFile) error {
	for _, s := range sources {
		for i := range k.repo.Files {
			f := &k.repo.Files[i]
			if path.Base(f.Path) == s.Name && f.Size == s.Bytes && f.SHA256 != "" && !strings.EqualFold(f.SHA256, s.SHA256) && !k.has(s) {
				return fmt.Errorf("%s %w", filepath.Join(k.dir, filepath.FromSlash(f.Path)), hub.ErrDamaged)
			}
		}
	}
	return nil
}

// has reports whether a file of the repository has the hash: files in several folders may have one name.
func (k *kept) has(s format.SourceFile) bool {
	for i := range k.repo.Files {
		if strings.EqualFold(k.repo.Files[i].SHA256, s.SHA256) {
			return true
		}
	}
	return false
}

// verify reads all files that are there, and returns [hub.ErrDamaged] if one is not as it was.
func (k *kept) verify(ctx context.Context) error {
	for i := range k.repo.Files {
		f := &k.repo.Files[i]
		if err := f.Verify(ctx, filepath.Join(k.dir, filepath.FromSlash(f.Path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isOdd reports whether an error may come of damaged weights.
func isOdd(err error) bool {
	return errors.Is(err, convert.ErrNonFinite) || errors.Is(err, convert.ErrTooLarge)
}
