package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// modelScope is ModelScope's protocol:
//
//   - GET /api/v1/models/ID/repo/files?Revision=REV&Recursive=true lists files, each with its size, its SHA-256 and the commit that changed it
//     last
//   - GET /api/v1/models/ID/repo?Revision=REV&FilePath=PATH is a file, or a redirect to the storage that has it
//
// There is no commit of the whole: files are asked for at the commits of their own, and Repository.Commit is a hash of the list.
type modelScope struct{}

// modelScopeBranch is the branch that every repository there has.
const modelScopeBranch = "master"

func (ms modelScope) open(ctx context.Context, c *Client, ref Ref) (*Repository, error) {
	endpoint, err := c.config.endpoint(ModelScope)
	if err != nil {
		return nil, err
	}
	revision := cmp.Or(ref.Revision, modelScopeBranch)
	address := fmt.Sprintf("%s/api/v1/models/%s/repo/files?Revision=%s&Recursive=true", endpoint, ref.ID(), url.QueryEscape(revision))
	var answer struct {
		Code    int
		Success bool
		Message string
		Data    *struct {
			Files []struct {
				Path, Type, Sha256, Revision string
				Size                         int64
			}
		}
	}
	_, _, err = c.getJSON(ctx, ModelScope, address, maxPageBytes, func(data []byte) error { return json.Unmarshal(data, &answer) })
	if err != nil {
		return nil, err
	}
	if answer.Data == nil || !answer.Success && answer.Code != 200 {
		if answer.Message != "" {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, oneLine(answer.Message))
		}
		return nil, fmt.Errorf("%w: there is no list of files in it", ErrProtocol)
	}
	r := &Repository{ID: ref.ID()}
	all := sha256.New()
	for _, f := range answer.Data.Files {
		if f.Type == "tree" {
			continue
		}
		r.Files = append(r.Files, File{Path: f.Path, Size: f.Size, SHA256: strings.ToLower(f.Sha256), Revision: cmp.Or(f.Revision, revision)})
	}
	if len(r.Files) == 0 {
		return nil, fmt.Errorf("%w: the repository is empty", ErrNoFile)
	}
	slices.SortFunc(r.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range r.Files {
		fmt.Fprintf(all, "%q %d %s %s\n", f.Path, f.Size, f.SHA256, f.Revision)
	}
	r.Commit = hex.EncodeToString(all.Sum(nil))[:40]
	return r, nil
}

// locate needs no request: the redirect is followed each time.
func (modelScope) locate(_ context.Context, r *Repository, f *File) (place, error) {
	endpoint, err := r.client.config.endpoint(ModelScope)
	return place{url: fmt.Sprintf("%s/api/v1/models/%s/repo?Revision=%s&FilePath=%s", endpoint, r.ID,
		url.QueryEscape(f.Revision), url.QueryEscape(f.Path))}, err
}
