package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"st/format"
	"st/quant"
	"st/runtime"
	"st/runtime/engine"
	store "st/runtime/models"
	"st/runtime/process"
)

// ModelInfo tells of a model that is served.
type ModelInfo struct {
	Name, Path string
	Size       int64 // of the file, in bytes
	Modified   time.Time
	Config     format.Config
	// Parameters is how many weights the model has, and Quantization the type that most of them have.
	Parameters   int64
	Quantization quant.Type
	// Needed is about what the model takes with all of its weights in memory, and Smallest the least with which it runs at all, in bytes, each
	// besides the program itself.
	Needed, Smallest int64
	// Least is an Options.Memory with which the model runs if it is the only one; a few mebibytes of it may be spared.
	Least int64
	// Loaded says that it is in memory, and Expires when it will leave; the zero time: not by itself.
	Loaded  bool
	Expires time.Time
}

// Models tells of the models that are served, in the order in which they were given, or by name if they are those of the store.
func (s *Server) Models() []ModelInfo { return s.models.list() }

// Memory tells what the models of a server may take together.
type Memory struct {
	// Total is the bound of the process in bytes; 0: that is not known. Program is what the process takes of it without models.
	Total, Program int64
	// Allowed is what the process can have without pushing others out, and Source who says so, if that is where Total comes from.
	Allowed int64
	Source  string
}

// Memory tells what all models may take together.
func (s *Server) Memory() Memory { return s.models.from }

// models holds the models of a server, and loads and unloads them.
type models struct {
	opts  *Options
	total int64 // memory for all models; 0: that is not known
	from  Memory
	base  int64 // what the process takes without them

	store *store.Store     // whose models are served; nil: those of the options are, and no others
	scan  sync.Mutex       // held while the store is looked through
	bad   map[string]int64 // files of the store that are no models, by path, with their time

	mu      sync.Mutex
	served  []*served
	dropped []*served     // that are no longer served, and still used
	changed chan struct{} // is closed when something below changes
	claim   *served       // for it room is made: no other model is taken meanwhile
	loading *served       // one at a time
	closed  bool

	sharing, again bool // memory is being shared out in the background, and has to be once more
	settling       bool // models are being told what they may take
}

// served is a model that is served.
type served struct {
	ModelInfo
	created time.Time

	// Guarded by models.
	dropped  bool
	model    *runtime.Model // nil: it is not loaded
	cache    *cache
	usable   int64 // memory that it can use: all weights, and as many sequences as run at the same time, each of the whole context
	grant    int64 // that it may take
	most     int64 // that it can ever take
	least    int64 // that it cannot do without
	held     int64 // that sequences made it take
	growing  int   // sequences that are about to take more
	besides  int64 // what the process took besides when it was loaded
	mapped   bool  // its file is, and nothing bounds its memory
	flexible bool  // it can do with much less: experts are read when they are needed
	lull     time.Duration
	users    int
	lastUsed time.Time
	timer    *time.Timer // unloads it
	load     *load       // nil: it is not being loaded
	leaving  bool        // it is being unloaded: its memory is still taken
}

// load is one attempt to load a model, and who waits for it.
type load struct {
	done    chan struct{}
	err     error
	waiting int
}

func newModels(opts *Options) (*models, error) {
	m := &models{opts: opts, bad: map[string]int64{}, changed: make(chan struct{}), base: process.Resident()}
	if m.total = opts.Memory; m.total == 0 {
		m.from.Allowed, m.from.Source = engine.AllowedMemory()
		m.total = m.from.Allowed / 20 * 19 // some is left to others
	}
	m.from.Total, m.from.Program = m.total, m.base
	if len(opts.Models) == 0 {
		m.store = opts.Store
		if _, err := m.scanStore(); err != nil {
			return nil, err
		}
		return m, m.checkMemory(m.served)
	}
	for _, path := range opts.Models {
		sv, err := m.inspect(path)
		if err != nil {
			return nil, err
		}
		if other := m.named(sv.Name); other != nil {
			return nil, fmt.Errorf("%w: %s and %s are both called %s", ErrNames, other.Path, path, sv.Name)
		}
		m.served = append(m.served, sv)
	}
	return m, m.checkMemory(m.served)
}

// acquire takes a model for use until release, and tells whether it was loaded for that.
func (m *models) acquire(ctx context.Context, sv *served) (loaded bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		switch {
		case m.closed:
			return false, ErrClosed
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case sv.dropped && sv.model == nil && sv.load == nil:
			return false, &Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model", Message: fmt.Sprintf("the model %q was removed", sv.Name)}
		case sv.load != nil:
			return m.join(ctx, sv.load)
		case sv.leaving:
			m.wait(ctx)
		case m.claim != nil && m.claim != sv:
			m.wait(ctx)
		case sv.model != nil:
			if sv.users++; sv.users == 1 {
				m.rebalance()
			}
			sv.stopTimer()
			return false, nil
		default:
			if err := m.tooSmall(sv); err != nil {
				return false, err // and no other model leaves in vain
			}
			sv.load = &load{done: make(chan struct{})}
			go m.loadFor(sv, sv.load)
		}
	}
}

// join waits for a model that is being loaded, which is then taken.
func (m *models) join(ctx context.Context, l *load) (loaded bool, err error) {
	l.waiting++
	m.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
	}
	m.mu.Lock()
	select {
	case <-l.done:
		return l.err == nil, l.err
	default:
		l.waiting--
		m.change() // if nobody waits any more, it gives up
		return false, context.Cause(ctx)
	}
}

// change wakes those that wait.
func (m *models) change() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// wait waits for a change, or until ctx ends.
func (m *models) wait(ctx context.Context) {
	changed := m.changed
	m.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
	m.mu.Lock()
}

// waitWhile waits as long as something is so, and reports whether it no longer is: false if ctx ended before.
func (m *models) waitWhile(ctx context.Context, is func() bool) bool {
	for is() {
		if ctx.Err() != nil {
			return false
		}
		m.wait(ctx)
	}
	return true
}

// loadFor loads a model: it waits until there is room, for which it unloads those that are idle. One that nobody waits for any more is not
// loaded.
func (m *models) loadFor(sv *served, l *load) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		if m.claim == sv {
			m.claim = nil
		}
		if m.loading == sv {
			m.loading = nil
		}
		if sv.load == l {
			sv.load = nil
		}
		if sv.dropped && sv.model == nil {
			m.forget(sv)
		}
		if l.err != nil && !m.closed { // others may have made room for it
			m.rebalance()
		}
		close(l.done)
		m.change()
	}()
	crowded := false
	for {
		switch {
		case m.closed:
			l.err = ErrClosed
			return
		case l.waiting == 0:
			l.err = context.Canceled
			return
		case m.loading != nil, m.claim != nil && m.claim != sv:
			m.wait(context.Background())
		case !crowded && m.room(sv):
			m.loading = sv
			grant := m.share(sv)
			if _, n := m.others(); n > 0 && grant < sv.Smallest && m.total > 0 { // somebody's sequences hold more than that
				m.loading, crowded = nil, true
				continue
			}
			sv.grant = grant
			m.mu.Unlock()
			model, c, err := m.open(sv, grant)
			m.mu.Lock()
			switch {
			case err != nil:
				sv.grant, l.err = 0, err
			case m.closed:
				model.Close()
				sv.grant, l.err = 0, ErrClosed
			default:
				// It is taken for those who wait: another model that needs the room must not drive it out before they come.
				sv.model, sv.cache, sv.lastUsed, sv.users = model, c, time.Now(), l.waiting
				sv.loaded()
				if sv.load = nil; sv.users == 0 { // nobody may join any more
					m.idle(sv, m.opts.KeepAlive)
				}
				m.loading = nil
				m.rebalance()
			}
			return
		default:
			m.claim = sv
			crowded = false
			if victim := m.leastUsed(); victim != nil {
				m.unload(victim, "its memory is needed")
			} else {
				m.wait(context.Background())
			}
		}
	}
}

// others returns the memory that the loaded models may take, those that are being loaded or unloaded included, and how many they are.
func (m *models) others() (bytes int64, n int) {
	for _, sv := range m.all() {
		if sv.grant > 0 {
			bytes, n = bytes+sv.grant, n+1
		}
	}
	return bytes, n
}

// room reports whether a model can be loaded beside those that are, which may do with less for it. Alone it always can: with less memory than it needs it
// reads experts when they are used. An idle model that cannot do with less leaves first.
func (m *models) room(sv *served) bool {
	used, n := m.others()
	switch {
	case n == 0 || m.total == 0 || used+sv.Needed <= m.total-m.base || m.spared(sv)+sv.Needed <= m.total-m.base:
		return true
	case slices.ContainsFunc(m.all(), func(other *served) bool { return other.model != nil && !other.flexible && other.users == 0 }):
		return false
	}
	return m.fits(sv)
}

// share returns the memory that a model gets that is to be loaded, once the others have made room for it.
func (m *models) share(sv *served) int64 {
	switch {
	case m.total == 0:
		return sv.Needed
	case len(m.served)+len(m.dropped) == 1:
		sv.most = m.total - m.base
		return sv.most
	}
	sv.most = max(sv.Smallest, min(sv.usable, m.total-m.base))
	if used, _ := m.others(); used+sv.most > m.total-m.base {
		m.settle(sv)
	}
	used, _ := m.others()
	return min(m.shares(sv)[sv], m.total-m.base-used)
}

// open loads a model that may take so much memory.
func (m *models) open(sv *served, grant int64) (*runtime.Model, *cache, error) {
	begin := time.Now()
	c := &cache{}
	o := runtime.Options{Context: m.opts.Context, Parallel: m.opts.Parallel, Threads: m.opts.Threads, ThreadCache: m.opts.ThreadCache, DiskCache: m.opts.DiskCache, KVType: m.opts.KVType,
		Fallback: m.opts.Fallback, Relieve: func(ctx context.Context) bool { return c.relieve(ctx) || m.grow(ctx, sv) }}
	if sv.Config.MoE != nil {
		o.ExpertsPerToken, o.PreferCached = m.opts.ExpertsPerToken, m.opts.PreferCached
	}
	if sv.Config.HeadPredictorRank > 0 {
		o.SparseHead = m.opts.SparseHead
	}
	sv.besides = process.Resident() // which counts the other models
	m.memoryOf(sv, grant, sv.besides, &o)
	model, err := runtime.Open(context.Background(), sv.Path, o)
	if err != nil {
		m.opts.Logger.Error("a model was not loaded", "model", sv.Name, "error", err)
		return nil, nil, err
	}
	c.limit = grant / cacheShare
	c.logits = 4 * int64(model.Config().Vocab)
	if m.opts.CacheDir != "" {
		if c.kept, err = openKept(model, m.opts.CacheDir, m.opts.CacheSize, m.opts.Logger); err != nil {
			m.opts.Logger.Warn("prompts are not kept", "error", err)
		}
	}
	if m.opts.Loaded != nil {
		m.opts.Loaded(model)
	}
	m.opts.Logger.Info("loaded a model", "model", sv.Name, "seconds", time.Since(begin).Seconds(), "context", model.Context(), "memory", cmp.Or(o.Share, o.Memory))
	return model, c, nil
}

// leastUsed returns the idle model that was used least recently, of those that cannot do with less if there are any; nil if none is idle.
func (m *models) leastUsed() (least *served) {
	for _, sv := range m.served {
		if sv.model == nil || sv.users > 0 {
			continue
		}
		if least == nil || least.flexible && !sv.flexible || least.flexible == sv.flexible && sv.lastUsed.Before(least.lastUsed) {
			least = sv
		}
	}
	return least
}

// unload gives an idle model's memory back. m.mu is released meanwhile: other models go on.
func (m *models) unload(sv *served, why string) {
	gone := m.startUnload(sv, why)
	m.mu.Unlock()
	<-gone
	m.mu.Lock()
}

// startUnload has an idle model's memory given back in the background, which may take some time, because prompts may be written to disk. gone is closed
// when that is done.
func (m *models) startUnload(sv *served, why string) (gone chan struct{}) {
	sv.stopTimer()
	model, cache := sv.model, sv.cache
	sv.model, sv.cache, sv.leaving = nil, nil, true
	m.change()
	gone = make(chan struct{})
	go func() {
		cache.close(context.Background())
		err := model.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		defer close(gone)
		sv.leaving, sv.grant = false, 0
		if sv.dropped {
			m.forget(sv)
		}
		if err != nil {
			m.opts.Logger.Error("a model was not closed well", "model", sv.Name, "error", err)
		}
		m.opts.Logger.Info("unloaded a model", "model", sv.Name, "because", why)
		m.change()
		m.rebalance()
	}()
	return gone
}

// release ends a use of a model. keepAlive is how long it stays if that was the last; 0: not at all; less than 0: until its memory is needed.
func (m *models) release(sv *served, keepAlive time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sv.users--
	sv.lastUsed = time.Now()
	if sv.growing == 0 { // another request's sequence counts on it
		sv.held = 0
	}
	if sv.users == 0 && sv.model != nil {
		m.idle(sv, keepAlive)
	}
	m.change()
}

// idle is called when nobody uses a model any more.
func (m *models) idle(sv *served, keepAlive time.Duration) {
	if sv.dropped && !m.closed {
		m.unload(sv, "it was removed")
		return
	}
	m.startLull(sv)
	m.startTimer(sv, keepAlive)
}

func (sv *served) stopTimer() {
	if sv.timer != nil {
		sv.timer.Stop()
		sv.timer, sv.Expires = nil, time.Time{}
	}
}

// startTimer has an idle model unloaded after some time.
func (m *models) startTimer(sv *served, after time.Duration) {
	sv.stopTimer()
	switch {
	case after < 0, m.closed: // close has unloaded all models
		return
	case after == 0:
		m.unload(sv, "its request said so")
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(after, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if sv.timer == timer { // nobody came meanwhile
			m.unload(sv, "it was idle")
		}
	})
	sv.timer, sv.Expires = timer, time.Now().Add(after)
}

// close unloads all models. What runs ends with an error. Prompts are written to disk until ctx ends.
func (m *models) close(ctx context.Context) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.change()
	m.waitWhile(context.Background(), m.moving)
	var loaded []*served
	for _, sv := range m.all() {
		if sv.stopTimer(); sv.model != nil {
			loaded = append(loaded, sv)
		}
	}
	m.mu.Unlock() // nothing is loaded or unloaded any more
	for _, sv := range loaded {
		sv.cache.close(ctx)
		err = errors.Join(err, sv.model.Close())
	}
	m.mu.Lock()
	return err
}
