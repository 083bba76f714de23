package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"st/format"
)

// HashFiles hashes files, one after the other. SHA-256 is what Hugging Face shows for a file, so a user can compare.
func HashFiles(ctx context.Context, paths []string) ([]format.SourceFile, error) {
	files := make([]format.SourceFile, len(paths))
	for i, path := range paths {
		var err error
		if files[i], err = hashFile(ctx, path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func hashFile(ctx context.Context, path string) (format.SourceFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return format.SourceFile{}, fmt.Errorf("read %s: %w", path, cause(err))
	}
	defer f.Close()
	hash := sha256.New()
	n, err := io.CopyBuffer(hash, contextReader{ctx, f}, make([]byte, 1<<20))
	if err != nil {
		return format.SourceFile{}, fmt.Errorf("read %s: %w", path, cause(err))
	}
	return format.SourceFile{Name: filepath.Base(path), Bytes: n, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

// contextReader stops reading when its context is cancelled.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
