package server

import (
	"context"
	"slices"
	"time"

	"st/runtime"
)

// load is one attempt to load a model, and who waits for it.
type load struct {
	done    chan struct{}
	err     error
	waiting int
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

// loadFor loads a model: it waits until there is room, for which it unloads those that are idle. One that nobody waits for any more is not
// loaded.
func (m *models) loadFor(sv *served, l *load) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.loadEnded(sv, l)
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
			if grant < sv.Smallest && m.total > 0 && len(m.sharers(nil)) > 0 { // somebody's sequences hold more than that
				m.loading, crowded = nil, true
				continue
			}
			l.err = m.loadWith(sv, l, grant)
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

// loadWith loads a model that may take so much memory. m.mu is released meanwhile.
func (m *models) loadWith(sv *served, l *load, grant int64) error {
	sv.grant = grant
	m.mu.Unlock()
	model, c, err := m.open(sv, grant)
	m.mu.Lock()
	if err == nil && m.closed {
		model.Close()
		err = ErrClosed
	}
	if err != nil {
		sv.grant = 0
		return err
	}
	// It is taken for those who wait: another model that needs the room must not drive it out before they come.
	sv.model, sv.cache, sv.lastUsed, sv.users = model, c, time.Now(), l.waiting
	sv.loads++
	m.loaded(sv)
	if sv.load = nil; sv.users == 0 { // nobody may join any more
		m.idle(sv, m.opts.KeepAlive)
	}
	m.loading = nil
	m.rebalance()
	return nil
}

// loadEnded tells those who wait for a model what became of it, and lets others be loaded.
func (m *models) loadEnded(sv *served, l *load) {
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
}

// room reports whether a model can be loaded beside those that are, which may do with less for it. Alone it always can: with less memory than it needs it
// reads experts when they are used. An idle model that cannot do with less leaves first.
func (m *models) room(sv *served) bool {
	switch {
	case m.total == 0, len(m.sharers(nil)) == 0, sv.Needed <= m.free(nil), m.spared(sv)+sv.Needed <= m.capacity():
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
		sv.most = m.capacity()
		return sv.most
	}
	sv.most = max(sv.Smallest, min(sv.usable, m.capacity()))
	if sv.most > m.free(nil) {
		m.settle(sv)
	}
	return min(m.shares(sv)[sv], m.free(nil))
}

// open loads a model that may take so much memory.
func (m *models) open(sv *served, grant int64) (*runtime.Model, *cache, error) {
	begin := time.Now()
	c := &cache{}
	o := runtime.Options{Context: m.opts.Context, Parallel: m.opts.Parallel, Threads: m.opts.Threads, ThreadCache: m.opts.ThreadCache, DiskCache: m.opts.DiskCache,
		ExpertCache: m.opts.ExpertCache, KVType: m.opts.KVType,
		Fallback: m.opts.Fallback, Relieve: func(ctx context.Context) bool { return c.relieve(ctx) || m.grow(ctx, sv) }}
	if sv.Config.MoE != nil {
		o.ExpertsPerToken, o.PreferCached = m.opts.ExpertsPerToken, m.opts.PreferCached
	}
	if sv.Config.HeadPredictorRank > 0 {
		o.SparseHead = m.opts.SparseHead
	}
	m.mu.Lock()
	m.memoryOf(sv, grant, &o)
	m.mu.Unlock()
	model, err := runtime.Open(context.Background(), sv.Path, o)
	if err != nil {
		m.opts.Logger.Error("a model was not loaded", "model", sv.Name, "error", err)
		return nil, nil, orRemoved(sv, err)
	}
	c.limit = grant / cacheShare
	c.logits = 4 * int64(model.Config().Vocab)
	if m.opts.CacheDir != "" {
		if c.disk, err = openDiskCache(model, m.opts.CacheDir, m.opts.CacheSize, m.opts.Logger); err != nil {
			m.opts.Logger.Warn("prompts are not kept", "error", err)
		}
	}
	if m.opts.Loaded != nil {
		m.opts.Loaded(model)
	}
	args := []any{"model", sv.Name, "seconds", time.Since(begin).Seconds(), "context", model.Context(), "share", runtime.FormatBytes(grant)}
	if k := model.KnownExperts(); k != nil {
		args = append(args, "experts_known", k.Source, "experts_known_tokens", k.Tokens)
	}
	m.opts.Logger.Info("loaded a model", args...)
	return model, c, nil
}
