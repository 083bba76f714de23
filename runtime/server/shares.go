package server

import (
	"context"
	"slices"
	"time"

	"st/runtime"
	"st/runtime/engine"
)

// The models that are loaded share the memory that the server may take. One that reads experts from its file when they are needed can do with less, so
// that others get more: what it may take follows who is used.

// lull is how long a model counts as used after its last request: one that goes on after a pause finds its experts where they were.
const lull = 10 * time.Second

// claimant tells what a model needs of the memory, now or if it is loaded. Beside others it takes no more than it can use.
func (sv *served) claimant(alone bool) claimant {
	c := claimant{least: max(sv.Smallest, sv.least, sv.held), enough: sv.Needed, most: sv.most, lastUsed: sv.lastUsed}
	c.used = sv.users > 0 || sv.load != nil || time.Since(sv.lastUsed) < sv.lull
	switch {
	case sv.grant > 0 && sv.model == nil: // that cannot change now
		c.least, c.most = sv.grant, sv.grant
	case sv.grant > 0 && sv.mapped: // what is mapped takes what it takes: it leaves only what it was given beyond that
		c.least = min(sv.grant, sv.Needed)
	}
	if !alone { // one that was loaded alone may have been given more
		c.most = max(c.least, min(c.most, sv.usable))
	}
	return c
}

// loaded notes what a model that was loaded takes at least, and what it was given: its tokenizer's memory is known only now.
func (m *models) loaded(sv *served) {
	sv.least, sv.held = 0, 0
	if b := sv.model.Engine().Budget(); b != nil {
		sv.least = b.SmallestShare() - m.common()
		sv.grant = max(sv.grant, sv.model.Engine().Memory()-m.common())
		if sv.mapped { // the system allows less by now, or does not map the file: it is read
			sv.mapped, sv.flexible, sv.most = false, sv.Config.MoE != nil, sv.grant
		}
		if !sv.flexible {
			sv.most = sv.grant
		}
	}
	m.startBreathing()
}

// common returns what models have in common: the program, and what is left for the operating system's tables and for garbage.
func (m *models) common() int64 { return m.program + engine.ReserveBytes }

// capacity returns what all models may take together.
func (m *models) capacity() int64 { return m.total - m.common() }

// sharers returns the models among which the memory is shared out: those that have some, also when they are being loaded or unloaded, and the next one that
// is to be loaded, if there is one.
func (m *models) sharers(next *served) []*served {
	return slices.DeleteFunc(m.all(), func(sv *served) bool { return sv.grant <= 0 && sv != next })
}

// granted returns the memory that models may take together.
func granted(all []*served) (sum int64) {
	for _, sv := range all {
		sum += sv.grant
	}
	return sum
}

// leastOf returns what models together cannot do without. One of them is left out.
func leastOf(all []*served, but *served) (sum int64) {
	for _, sv := range all {
		if sv != but {
			sum += sv.claimant(false).least
		}
	}
	return sum
}

// shares returns what each loaded model is to take, and the one that is to be loaded; nil: there is none.
func (m *models) shares(next *served) map[*served]int64 {
	who := m.sharers(next)
	all := make([]claimant, len(who))
	for i, sv := range who {
		all[i] = sv.claimant(len(who) == 1)
	}
	shares := map[*served]int64{}
	for i, n := range shareOut(m.capacity(), all) {
		shares[who[i]] = n
	}
	return shares
}

// fits reports whether the loaded models can do with so little that there is room for another one.
func (m *models) fits(next *served) bool {
	return next.Smallest+leastOf(m.sharers(nil), next) <= m.capacity()
}

// spared returns what the loaded models take when each has given what it cannot use.
func (m *models) spared(next *served) (sum int64) {
	for _, sv := range m.sharers(nil) {
		if sv != next {
			sum += min(sv.grant, sv.claimant(false).most)
		}
	}
	return sum
}

// free returns what nobody has, less what a model gets that is to be loaded: it comes first.
func (m *models) free(next *served) int64 {
	n := m.capacity() - granted(m.sharers(nil))
	if next != nil && next.grant == 0 {
		n -= m.shares(next)[next]
	}
	return n
}

// rebalance has the memory shared out anew, in the background.
func (m *models) rebalance() {
	if m.total == 0 || m.closed {
		return
	}
	if m.again = true; m.sharing {
		return
	}
	m.sharing = true
	go func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for m.again && !m.closed {
			m.again = false
			m.settle(m.loading)
		}
		m.sharing = false
		m.change()
	}()
}

// settle has the loaded models take what they are to, and leave what a model that is to be loaded is to get: first those that give, then those that
// get. m.mu is released while they do.
func (m *models) settle(next *served) {
	m.waitWhile(context.Background(), func() bool { return m.settling })
	m.settling = true
	defer func() {
		m.settling = false
		m.change()
	}()
	defer func() { // what is scarce now is shared, too
		m.mu.Unlock()
		m.apply()
		m.mu.Lock()
	}()
	// What the others do meanwhile counts: shares are looked up for each.
	for _, sv := range m.all() {
		if share := m.shares(next)[sv]; sv.model != nil && share < sv.grant {
			m.setShare(sv, share)
		}
	}
	for _, sv := range m.all() {
		if share := min(m.shares(next)[sv], sv.grant+m.free(next)); sv.model != nil && share > sv.grant {
			m.setShare(sv, share)
		}
	}
}

// setShare changes what a model may take.
func (m *models) setShare(sv *served, share int64) {
	model, cache := sv.model, sv.cache
	sv.grant = max(sv.grant, share) // until it has given back what it gives
	was := sv.grant
	m.mu.Unlock()
	cache.bound(share / cacheShare)
	got, err := model.SetShare(context.Background(), share+m.common())
	m.mu.Lock()
	if sv.model != model || err != nil {
		return // it is closed, or is going to be
	}
	if sv.grant = got - m.common(); got == 0 { // nothing bounds what it takes
		sv.grant = share
	}
	m.opts.Logger.Debug("shared out memory", "model", sv.Name, "bytes", sv.grant, "before", was)
}

// startLull has the memory shared out when a model that nobody uses any more does not count as used any more either.
func (m *models) startLull(sv *served) {
	if len(m.all()) > 1 {
		time.AfterFunc(sv.lull, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if sv.users == 0 {
				m.rebalance()
			}
		})
	}
}

// memoryOf bounds the memory of a model that is to be loaded and may take so much; m is locked. To the model it looks as if it were the only one.
func (m *models) memoryOf(sv *served, grant int64, o *runtime.Options) {
	o.Program, o.Steady = m.program, true
	if sv.mapped = m.opts.Memory == 0 && grant >= sv.Needed; sv.mapped {
		sv.flexible = false
		return
	}
	sv.flexible = sv.Config.MoE != nil
	o.Memory = max(1, grant) + m.common()
	if sv.flexible && sv.most > grant {
		o.Memory, o.Share = sv.most+m.common(), o.Memory
	}
}
