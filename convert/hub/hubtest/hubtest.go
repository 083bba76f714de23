package hubtest

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Hub is a server of repositories, and of a storage.
type Hub struct {
	URL     string // of the Hub, for both protocols
	Storage string // of the storage
	// PageSize is the number of entries in a page of a listing; 0: 1000.
	PageSize int
	// Faults says what goes wrong; nil: nothing does. It is called by several goroutines. [Hub.SetFaults] sets it while requests come.
	Faults   func(Request) Fault
	faultsMu sync.Mutex
	// Signed is how often an address of the storage can be used before it is refused; 0: always.
	Signed int

	mu      sync.Mutex
	repos   map[string]*Repo
	blobs   map[string]*file // in the storage, by SHA-256
	uses    map[string]int   // of signed addresses
	signing int
	sent    map[string]int64 // bytes by path
	log     []string
	leaks   int
	stop    chan struct{}
	servers []*httptest.Server
}

// Repo is a repository.
type Repo struct {
	hub     *Hub
	id      string
	commits map[string]map[string]*file
	refs    map[string]string
	token   string // who may read it; "": everybody
	gated   bool   // its terms were not accepted, by the token's owner either
	moved   string // the name that it has now
}

// New starts a Hub on two ports of the loopback address.
func New() *Hub {
	h := NewHandler()
	for _, handler := range []http.Handler{h, http.HandlerFunc(h.ServeStorage)} {
		s := httptest.NewServer(handler)
		s.Config.ErrorLog = nil
		h.servers = append(h.servers, s)
	}
	h.URL, h.Storage = h.servers[0].URL, h.servers[1].URL
	return h
}

// NewHandler returns a Hub that somebody else listens for: it answers as the Hub itself, and ServeStorage as the storage, whose address is to be
// set in Storage.
func NewHandler() *Hub {
	return &Hub{repos: map[string]*Repo{}, blobs: map[string]*file{}, uses: map[string]int{}, sent: map[string]int64{}, stop: make(chan struct{})}
}

// Close stops the servers, and ends requests that are stalled.
func (h *Hub) Close() {
	close(h.stop)
	for _, s := range h.servers {
		s.CloseClientConnections()
		s.Close()
	}
}

// Add makes a repository.
func (h *Hub) Add(id string) *Repo {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Repo{hub: h, id: id, commits: map[string]map[string]*file{}, refs: map[string]string{}}
	h.repos[id] = r
	return r
}

// Commit makes files the state of the branches main and master, and returns the commit.
func (r *Repo) Commit(files map[string]Content) string {
	all := map[string]*file{}
	sum := sha1.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f := newFile(path, files[path])
		all[path] = f
		fmt.Fprintf(sum, "%s %s\n", path, f.etag())
	}
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	commit := hex.EncodeToString(sum.Sum(nil))
	r.commits[commit] = all
	for _, branch := range []string{"main", "master"} {
		r.refs[branch] = commit
	}
	for _, f := range all {
		large, _ := f.hashes()
		r.hub.blobs[large] = f
	}
	return commit
}

// Tag gives a commit a name.
func (r *Repo) Tag(name, commit string) { r.set(func() { r.refs[name] = commit }) }

// Forget removes a commit, as a push that rewrites history does.
func (r *Repo) Forget(commit string) { r.set(func() { delete(r.commits, commit) }) }

// Rename gives the repository another name. The old one redirects.
func (r *Repo) Rename(id string) {
	r.set(func() {
		moved := *r
		moved.id = id
		r.hub.repos[id] = &moved
		r.moved = id
	})
}

// Private lets only those read who have the token.
func (r *Repo) Private(token string) { r.set(func() { r.token = token }) }

// Gate asks for terms to be accepted, which nobody has done.
func (r *Repo) Gate(gated bool) { r.set(func() { r.gated = gated }) }

func (r *Repo) set(change func()) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	change()
}

// Sent returns the bytes of files that were sent, by path, and all of them.
func (h *Hub) Sent() (byPath map[string]int64, total int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.sent {
		total += n
	}
	return maps.Clone(h.sent), total
}

// Requests returns what was asked for: methods and addresses, without what signs them.
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.log)
}

// Leaks returns how many requests to the storage had a token.
func (h *Hub) Leaks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaks
}

func (h *Hub) note(r *http.Request, storage bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	where := ""
	if storage {
		where = "storage "
		if r.Header.Get("Authorization") != "" {
			h.leaks++
		}
	}
	h.log = append(h.log, where+r.Method+" "+r.URL.Path)
}

// find returns the repository that an address is about, or answers.
func (h *Hub) find(w http.ResponseWriter, r *http.Request, id string) *Repo {
	h.mu.Lock()
	defer h.mu.Unlock()
	repo := h.repos[id]
	authorized := repo != nil && (repo.token == "" || r.Header.Get("Authorization") == "Bearer "+repo.token)
	switch {
	case repo != nil && repo.moved != "":
		u := *r.URL
		u.Path = strings.Replace(u.Path, id, repo.moved, 1)
		u.RawPath = ""
		w.Header().Set("Location", u.RequestURI()) // without a host
		w.WriteHeader(http.StatusTemporaryRedirect)
	case !authorized && r.Header.Get("Authorization") == "":
		fail(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
	case !authorized:
		fail(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	default:
		return repo
	}
	return nil
}

func fail(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
	if message != "" {
		fmt.Fprintf(w, "{%q:%q}\n", "error", message)
	}
}

// resolve returns the commit that a revision stands for, and its files.
func (h *Hub) resolve(repo *Repo, revision string) (commit string, files map[string]*file, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	commit = revision
	if c, ok := repo.refs[revision]; ok {
		commit = c
	}
	files, ok = repo.commits[commit]
	return commit, files, ok
}
