package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// huggingFace is the Hub's protocol, as huggingface_hub speaks it:
//
//   - GET /api/models/ID/tree/REV?recursive=true lists files, in pages that Link headers connect; lfs.oid is the SHA-256 of a large file
//   - HEAD /ID/resolve/REV/PATH tells X-Repo-Commit, the commit that REV stands for, and of a large file X-Linked-Etag and X-Linked-Size, its
//     SHA-256 and size, besides the address of the storage that has it
//   - the redirect of a repository that was renamed stays on the host, that to the storage leaves it
//
// /raw/ in place of /resolve/ would give pointers in place of large files.
type huggingFace struct{}

// defaultRevision is the branch that every repository has.
const defaultRevision = "main"

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

const (
	maxPages     = 1000
	maxPageBytes = 64 << 20
	maxFiles     = 100_000
)

func (hf huggingFace) open(ctx context.Context, c *Client, ref Ref) (*Repository, error) {
	r := &Repository{ID: ref.ID(), Commit: ref.Revision}
	revision := cmp.Or(ref.Revision, defaultRevision)
	if err := hf.list(ctx, c, r, revision); err != nil {
		return nil, err
	}
	if commitHash.MatchString(revision) {
		return r, nil
	}
	if len(r.Files) == 0 {
		return nil, fmt.Errorf("%w: the repository is empty", ErrNoFile)
	}
	var err error
	if r.Commit, err = hf.commit(ctx, c, r, revision); err != nil {
		return nil, err
	}
	return r, hf.list(ctx, c, r, r.Commit) // what is pushed between the two requests would not fit
}

// treeEntry is a file or a folder.
type treeEntry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	OID  string `json:"oid"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// list fills in the files, and the name that the repository has now.
func (huggingFace) list(ctx context.Context, c *Client, r *Repository, revision string) error {
	endpoint, err := c.config.endpoint(HuggingFace)
	if err != nil {
		return err
	}
	r.Files = nil
	next := fmt.Sprintf("%s/api/models/%s/tree/%s?recursive=true", endpoint, r.ID, url.PathEscape(revision))
	for page := 0; next != ""; page++ {
		if page == maxPages {
			return fmt.Errorf("%w: the list of files has no end", ErrProtocol)
		}
		var entries []treeEntry
		header, from, err := c.getJSON(ctx, HuggingFace, next, maxPageBytes, func(data []byte) error { return json.Unmarshal(data, &entries) })
		if err != nil {
			return err
		}
		if _, rest, ok := strings.Cut(from.Path, "/api/models/"); ok {
			if id, _, ok := strings.Cut(rest, "/tree/"); ok && isID(id) {
				r.ID = id
			}
		}
		for _, e := range entries {
			if e.Type != "file" {
				continue
			}
			f := File{Path: e.Path, Size: e.Size, Blob: e.OID}
			if e.LFS != nil {
				f.Size, f.SHA256, f.Blob = e.LFS.Size, strings.ToLower(strings.TrimPrefix(e.LFS.OID, "sha256:")), ""
			}
			r.Files = append(r.Files, f)
		}
		if len(r.Files) > maxFiles {
			return fmt.Errorf("%w: the list of files has no end", ErrProtocol)
		}
		if next, err = nextPage(header, from); err != nil {
			return err
		}
	}
	return nil
}

// nextLink is the part of a Link header that leads to the next page (RFC 8288).
var nextLink = regexp.MustCompile(`<([^>]*)>\s*;[^<]*\brel="?next"?`)

func nextPage(h http.Header, from *url.URL) (string, error) {
	for _, line := range h.Values("Link") {
		if m := nextLink.FindStringSubmatch(line); m != nil {
			u, err := from.Parse(m[1])
			if err != nil || u.Scheme != from.Scheme && u.Scheme != "https" {
				return "", fmt.Errorf("%w: Link: %s", ErrProtocol, line)
			}
			return u.String(), nil
		}
	}
	return "", nil
}

// resolveURL is the address of a file.
func (huggingFace) resolveURL(c *Client, r *Repository, revision, path string) (string, error) {
	endpoint, err := c.config.endpoint(HuggingFace)
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return fmt.Sprintf("%s/%s/resolve/%s/%s", endpoint, r.ID, url.PathEscape(revision), strings.Join(parts, "/")), err
}

// head asks what there is to know of a file.
func (hf huggingFace) head(ctx context.Context, c *Client, r *Repository, revision, path string) (h http.Header, from string, err error) {
	address, err := hf.resolveURL(c, r, revision, path)
	if err != nil {
		return nil, "", err
	}
	err = c.try(ctx, r.ID+"/"+path, func() (bool, error) {
		resp, err := c.send(ctx, request{service: HuggingFace, method: http.MethodHead, url: address, metadata: true})
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		if !isRedirect(resp.StatusCode) {
			if err := c.checkStatus(resp, HuggingFace, false); err != nil {
				return false, err
			}
		}
		h, from = resp.Header, cmp.Or(resp.Header.Get("Location"), resp.Request.URL.String())
		return true, nil
	})
	return h, from, err
}

// commit finds out what a branch or a tag stands for.
func (hf huggingFace) commit(ctx context.Context, c *Client, r *Repository, revision string) (string, error) {
	small := &r.Files[0]
	for i := range r.Files {
		if r.Files[i].Path == "config.json" || r.Files[i].Size < small.Size && small.Path != "config.json" {
			small = &r.Files[i]
		}
	}
	h, _, err := hf.head(ctx, c, r, revision, small.Path)
	if err != nil {
		return "", err
	}
	if commit := h.Get("X-Repo-Commit"); commitHash.MatchString(commit) {
		return commit, nil
	}
	return "", fmt.Errorf("%w: it does not tell the commit of %s", ErrProtocol, revision)
}

func (hf huggingFace) locate(ctx context.Context, r *Repository, f *File) (place, error) {
	h, at, err := hf.head(ctx, r.client, r, r.Commit, f.Path)
	if err != nil {
		return place{}, err
	}
	etag := strings.Trim(strings.TrimPrefix(cmp.Or(h.Get("X-Linked-Etag"), h.Get("ETag")), "W/"), `"`)
	if f.SHA256 != "" && h.Get("X-Linked-Etag") != "" && !strings.EqualFold(etag, f.SHA256) {
		return place{}, fmt.Errorf("%s %w: its hash is %s, and was %s", r.Name(f), ErrChanged, etag, f.SHA256)
	}
	if size, err := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64); err == nil && size != f.Size {
		return place{}, fmt.Errorf("%s %w: it has %d bytes, and had %d", r.Name(f), ErrChanged, size, f.Size)
	}
	return place{url: at}, nil
}
