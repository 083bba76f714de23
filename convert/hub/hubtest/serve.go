package hubtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers as the Hub, or as ModelScope.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.note(r, false)
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/models/"); ok {
		h.modelScope(w, r, rest)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/"); ok {
		id, revision, ok := strings.Cut(rest, "/tree/")
		if ok {
			h.tree(w, r, unescape(id), unescape(revision))
			return
		}
	}
	if id, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/resolve/"); ok {
		if revision, path, ok := strings.Cut(rest, "/"); ok {
			h.file(w, r, unescape(id), unescape(revision), unescape(path))
			return
		}
	}
	fail(w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// faulty returns true if a fault has answered the request.
func (h *Hub) faulty(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch {
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		fail(w, f.Status, "", "")
	case f.Cut < 0:
		panic(http.ErrAbortHandler)
	case f.Stall < 0:
		h.stall(r)
	default:
		return false
	}
	return true
}

// stall sends nothing until somebody gives up.
func (h *Hub) stall(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-h.stop:
	}
	panic(http.ErrAbortHandler)
}

func (h *Hub) fault(r Request) Fault {
	h.faultsMu.Lock()
	faults := h.Faults
	h.faultsMu.Unlock()
	if faults == nil {
		return Fault{}
	}
	return faults(r)
}

// SetFaults sets Faults while the Hub answers requests.
func (h *Hub) SetFaults(faults func(Request) Fault) {
	h.faultsMu.Lock()
	defer h.faultsMu.Unlock()
	h.Faults = faults
}

// tree lists files, in pages.
func (h *Hub) tree(w http.ResponseWriter, r *http.Request, id, revision string) {
	if h.faulty(w, r, h.fault(Request{Request: r})) {
		return
	}
	repo := h.find(w, r, id)
	if repo == nil {
		return
	}
	_, files, ok := h.resolve(repo, revision)
	if !ok {
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		return
	}
	paths := slices.Sorted(maps.Keys(files))
	if r.URL.Query().Get("recursive") != "true" {
		paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, "/") })
	}
	size := h.PageSize
	if size == 0 {
		size = 1000
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	from = min(max(0, from), len(paths))
	entries := []any{}
	seen := map[string]bool{}
	for _, p := range paths[from:min(from+size, len(paths))] {
		f := files[p]
		if dir, _, ok := strings.Cut(p, "/"); ok && !seen[dir] {
			seen[dir] = true
			entries = append(entries, map[string]any{"type": "directory", "path": dir, "oid": strings.Repeat("d", 40), "size": 0})
		}
		large, small := f.hashes()
		e := map[string]any{"type": "file", "path": p, "oid": small, "size": f.Size()}
		if f.large {
			e["oid"] = strings.Repeat("e", 40) // of the pointer
			e["lfs"] = map[string]any{"oid": large, "size": f.Size(), "pointerSize": 135}
		}
		entries = append(entries, e)
	}
	if from+size < len(paths) {
		q := r.URL.Query()
		q.Set("cursor", strconv.Itoa(from+size))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.EscapedPath(), q.Encode()))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(entries)
}

// file tells of a file, redirects to it, or sends it.
func (h *Hub) file(w http.ResponseWriter, r *http.Request, id, revision, path string) {
	repo := h.find(w, r, id)
	if repo == nil {
		return
	}
	commit, files, ok := h.resolve(repo, revision)
	if !ok {
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	if repo.gated {
		fail(w, http.StatusForbidden, "GatedRepo", "Access to model "+id+" is restricted. You must be authenticated to access it.")
		return
	}
	f, ok := files[path]
	if !ok {
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	if !f.large {
		h.send(w, r, f, Request{Request: r, Path: path})
		return
	}
	if h.faulty(w, r, h.fault(Request{Request: r})) {
		return
	}
	w.Header().Set("X-Linked-Size", strconv.FormatInt(f.Size(), 10))
	w.Header().Set("X-Linked-Etag", `"`+f.etag()+`"`)
	h.redirect(w, f)
}

// redirect leads to the storage.
func (h *Hub) redirect(w http.ResponseWriter, f *file) {
	h.mu.Lock()
	h.signing++
	signature := fmt.Sprintf("%08x", h.signing)
	h.mu.Unlock()
	large, _ := f.hashes()
	w.Header().Set("Location", fmt.Sprintf("%s/repos/%s?X-Amz-Signature=%s&X-Amz-Expires=3600", h.Storage, large, signature))
	w.WriteHeader(http.StatusFound)
}

// ServeStorage answers as the storage.
func (h *Hub) ServeStorage(w http.ResponseWriter, r *http.Request) {
	h.note(r, true)
	name, ok := strings.CutPrefix(r.URL.Path, "/repos/")
	signature := r.URL.Query().Get("X-Amz-Signature")
	h.mu.Lock()
	f := h.blobs[name]
	h.uses[signature]++
	expired := h.Signed > 0 && h.uses[signature] > h.Signed
	h.mu.Unlock()
	switch {
	case !ok || f == nil:
		fail(w, http.StatusNotFound, "", "NoSuchKey")
	case signature == "" || expired || r.Header.Get("Authorization") != "":
		fail(w, http.StatusForbidden, "", "AccessDenied")
	default:
		h.send(w, r, f, Request{Request: r, Storage: true, Path: f.path})
	}
}

// send sends a file, or the part of it that is asked for.
func (h *Hub) send(w http.ResponseWriter, r *http.Request, f *file, about Request) {
	from, to := int64(0), f.Size()
	partial := false
	etag := `"` + f.etag() + `"`
	if text := r.Header.Get("Range"); text != "" && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		var last int64
		if n, _ := fmt.Sscanf(text, "bytes=%d-%d", &from, &last); n == 2 && from <= last {
			partial, to = true, min(last+1, f.Size())
		}
	}
	about.Bytes = max(0, to-from)
	fault := h.fault(about)
	if h.faulty(w, r, fault) {
		return
	}
	if fault.Whole {
		from, to, partial = 0, f.Size(), false
	}
	w.Header().Set("ETag", etag)
	w.Header().Set("Accept-Ranges", "bytes")
	if partial && from >= f.Size() {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", f.Size()))
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(to-from, 10))
	if partial {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, f.Size()))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return
	}
	src, err := f.Open()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer closeIt(src)
	h.copy(w, r, io.NewSectionReader(src, from, to-from), f.path, fault)
}

// copy sends bytes until a fault ends it.
func (h *Hub) copy(w http.ResponseWriter, r *http.Request, src *io.SectionReader, path string, fault Fault) {
	buf := make([]byte, 256<<10)
	left := src.Size()
	if fault.Cut > 0 {
		left = min(left, fault.Cut)
	}
	if fault.Stall > 0 {
		left = min(left, fault.Stall)
	}
	for left > 0 {
		n, err := src.Read(buf[:min(left, int64(len(buf)))])
		if n == 0 || err != nil && err != io.EOF {
			panic(http.ErrAbortHandler)
		}
		if fault.Flip {
			buf[n/2] ^= 1
			fault.Flip = false
		}
		n, err = w.Write(buf[:n])
		left -= int64(n)
		h.mu.Lock()
		h.sent[path] += int64(n)
		h.mu.Unlock()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if fault.Cut > 0 || fault.Stall > 0 {
		w.(http.Flusher).Flush()
		if fault.Stall > 0 {
			h.stall(r)
		}
		time.Sleep(time.Millisecond) // what was flushed is to arrive before the end does
		panic(http.ErrAbortHandler)
	}
}

// modelScope answers as ModelScope.
func (h *Hub) modelScope(w http.ResponseWriter, r *http.Request, rest string) {
	q := r.URL.Query()
	id, list := strings.CutSuffix(rest, "/repo/files")
	id = strings.TrimSuffix(id, "/repo")
	h.mu.Lock()
	repo := h.repos[id]
	h.mu.Unlock()
	if repo == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"Code":10010205001,"Message":"获取模型信息失败，信息不存在","Success":false}`)
		return
	}
	commit, files, ok := h.resolve(repo, q.Get("Revision"))
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"Code":10010205001,"Message":"no such revision","Success":false}`)
		return
	}
	if list {
		if h.faulty(w, r, h.fault(Request{Request: r})) {
			return
		}
		all := []any{}
		for _, p := range slices.Sorted(maps.Keys(files)) {
			f := files[p]
			large, _ := f.hashes()
			all = append(all, map[string]any{"Name": p[strings.LastIndex(p, "/")+1:], "Path": p, "Type": "blob", "Size": f.Size(), "Sha256": large, "Revision": commit, "IsLFS": f.large})
			if dir, _, ok := strings.Cut(p, "/"); ok {
				all = append(all, map[string]any{"Name": dir, "Path": dir, "Type": "tree", "Size": 0})
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"Code": 200, "Success": true, "Message": "success", "Data": map[string]any{"Files": all}})
		return
	}
	f, ok := files[q.Get("FilePath")]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case f.large:
		if !h.faulty(w, r, h.fault(Request{Request: r})) {
			h.redirect(w, f)
		}
	default:
		h.send(w, r, f, Request{Request: r, Path: f.path})
	}
}
