package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"st/format"
	"st/runtime"
	"st/runtime/engine"
	store "st/runtime/models"
)

// Which models are served: those of the options, or those of the store, which come and go.

// all returns the models that may be loaded.
func (m *models) all() []*served { return slices.Concat(m.served, m.dropped) }

// inspect reads what there is to know of a model before it is loaded.
func (m *models) inspect(path string) (*served, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sv := &served{created: info.ModTime(), lull: lull}
	sv.Name, sv.Path, sv.Size, sv.Modified, sv.Config = m.nameOf(path), path, info.Size(), info.ModTime(), r.Config
	sv.Parameters, sv.Quantization = weights(r)
	o := engine.Options{Threads: m.opts.Threads, KVType: m.opts.KVType, Context: m.opts.Context, Parallel: m.opts.Parallel}
	if r.Config.HeadPredictorRank > 0 {
		o.SparseHead = m.opts.SparseHead
	}
	if r.Config.MoE != nil {
		o.ExpertsPerToken, o.PreferCached = m.opts.ExpertsPerToken, m.opts.PreferCached
		if err := o.CheckExperts(r); err != nil {
			return nil, err
		}
		sv.Config = *o.Config(&r.Config)
	}
	// As if it were the only model: of all that the process takes then, what models have in common is no part of its share.
	o.Other = m.program + runtime.TokenizerMemory(r)
	smallest, _ := engine.SmallestMemory(r, o)
	sv.Smallest = smallest - m.common()
	sv.Least = engine.Enough(smallest)
	one := o
	one.Context = min(r.Config.Context, 4096)
	b, _ := engine.NewBudget(r, one)
	whole := engine.NeededMemory(r, o) // all weights and the reserve
	sv.Needed = max(sv.Smallest, whole+int64(m.opts.Parallel)*b.KV-m.common())
	one.Context = cmp.Or(m.opts.Context, r.Config.Context)
	b, _ = engine.NewBudget(r, one)
	sv.usable = max(sv.Needed, engine.BudgetFor(whole-engine.ReserveBytes+int64(m.opts.Parallel)*b.KV)-m.common())
	return sv, nil
}

// nameOf returns the name of the model in a file: that which it has in the store, or else its file's.
func (m *models) nameOf(path string) string {
	if m.opts.Store != nil {
		if n, ok := m.opts.Store.NameOf(path); ok {
			return n.String()
		}
	}
	return strings.TrimSuffix(filepath.Base(path), ".stm")
}

// refresh finds out which models the store has now, and has the log warn of new ones that are too large.
func (m *models) refresh() error {
	added, err := m.scanStore()
	m.warn(added)
	return err
}

// scanStore finds out which models the store has now, if it is one that is served, and returns those that were not there before.
func (m *models) scanStore() (added []*served, err error) {
	if m.store == nil {
		return nil, nil
	}
	m.scan.Lock()
	defer m.scan.Unlock()
	entries, err := m.store.List()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	known := slices.Clone(m.served)
	m.mu.Unlock()
	var now []*served
	for _, e := range entries {
		if e.Partial || m.bad[e.Path] == e.Modified.UnixNano() {
			continue
		}
		sv := find(known, func(sv *served) bool {
			return sv.Name == e.Name.String() && sv.Path == e.Path && sv.Size == e.Size && sv.Modified.Equal(e.Modified)
		})
		if sv == nil {
			if sv, err = m.inspect(e.Path); err != nil {
				if !errors.Is(err, os.ErrNotExist) {
					m.bad[e.Path] = e.Modified.UnixNano()
					m.opts.Logger.Warn("a file is not served", "error", err)
				}
				continue
			}
			added = append(added, sv)
		}
		now = append(now, sv)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, sv := range m.served {
		if !slices.Contains(now, sv) {
			m.drop(sv)
		}
	}
	m.served = now
	return added, nil
}

// drop ends the service of a model, which the caller takes out of m.served: it is unloaded when nobody uses it any more.
func (m *models) drop(sv *served) {
	if sv.dropped {
		return
	}
	sv.dropped = true
	switch {
	case sv.load != nil, sv.users > 0, sv.leaving:
		m.dropped = append(m.dropped, sv)
	case sv.model != nil && !m.closed:
		m.unload(sv, "it was removed")
	}
}

// forget takes a model from those that are dropped.
func (m *models) forget(sv *served) {
	m.dropped = slices.DeleteFunc(m.dropped, func(d *served) bool { return d == sv })
}

// find returns the first model of which something is true; nil if there is none.
func find(all []*served, is func(sv *served) bool) *served {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i]
	}
	return nil
}

// named returns the model of that name, of a file's name or of a path; nil if there is none.
func (m *models) named(name string) *served {
	for _, want := range []string{name, strings.TrimSuffix(name, ":latest")} { // which clients of Ollama add
		sv := find(m.served, func(sv *served) bool { return sv.Name == want || sv.Path == want || sv.Name+".stm" == want })
		if sv != nil {
			return sv
		}
	}
	return nil
}

// match returns the model that a name means: the one that [models.named] finds, or else one whose name it shortens, as [store.Match] does.
func (m *models) match(name string) (*served, error) {
	if sv := m.named(name); sv != nil {
		return sv, nil
	}
	var names []store.Name
	var of []*served
	for _, sv := range m.served {
		if n, err := store.ParseName(sv.Name); err == nil {
			names, of = append(names, n), append(of, sv)
		}
	}
	i, err := store.Match(name, names)
	if err != nil {
		return nil, err
	}
	return of[i], nil
}

// find returns the model that a request asks for. A server of one model need not be told which.
func (m *models) find(name string) (*served, error) {
	if err := m.refresh(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "" {
		if len(m.served) == 1 {
			return m.served[0], nil
		}
		return nil, &Error{Status: http.StatusBadRequest, Code: "missing_model", Param: "model", Message: "model: it must name one of " + m.names()}
	}
	sv, err := m.match(name)
	switch {
	case err == nil:
		return sv, nil
	case errors.Is(err, store.ErrAmbiguous):
		return nil, &Error{Status: http.StatusBadRequest, Code: "ambiguous_model", Param: "model", Message: "model: " + err.Error()}
	}
	return nil, &Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model",
		Message: fmt.Sprintf("the model %q is not served; these are: %s", name, m.names())}
}

// errRemoved is the error of requests for a model that was removed after they had found it.
func errRemoved(sv *served) *Error {
	return &Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model", Message: fmt.Sprintf("the model %q was removed", sv.Name)}
}

// orRemoved is the error of what reads a model's file. If that is gone it says that the model was removed, and not where the file was. Any other file may be
// missing, too: that of a cache, or the folder of a copy.
func orRemoved(sv *served, err error) error {
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, gone := os.Stat(sv.Path); errors.Is(gone, os.ErrNotExist) {
		return errRemoved(sv)
	}
	return err
}

// mostNamed is how many models an error lists.
const mostNamed = 20

// names lists what a request may name.
func (m *models) names() string {
	var names []string
	for _, sv := range m.served {
		names = append(names, sv.Name)
	}
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > mostNamed:
		names = append(names[:mostNamed], "…")
	}
	return strings.Join(names, ", ")
}

func (m *models) list() (all []ModelInfo) {
	if err := m.refresh(); err != nil {
		m.opts.Logger.Error("the models were not listed", "error", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, sv := range m.served {
		all = append(all, sv.info(m.opts.KeepAlive))
	}
	return all
}

func (sv *served) info(keepAlive time.Duration) ModelInfo {
	i := sv.ModelInfo
	i.Loaded = sv.model != nil
	if i.Loaded && sv.users > 0 && keepAlive > 0 {
		i.Expires = time.Now().Add(keepAlive)
	}
	return i
}
