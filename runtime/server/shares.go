package server

import (
	"context"
	"slices"
	"time"

	"st/runtime"
)

// The models that are loaded share the memory that the server may take. One that reads experts from its file when they are needed can do with less, so
// that others get more: what it may take follows who is used.

// lull is how long a model counts as used after its last request: one that goes on after a pause finds its experts where they were.
const lull = 10 * time.Second

// claimant is a model that shares the memory with others.
type claimant struct {
	// least is what it cannot do without. With enough all of its weights stay, and sequences of usual length have room. most is what it can use: sequences as
	// long as the context have room, too.
	least, enough, most int64
	used                bool
	lastUsed            time.Time
}

// shareOut divides memory among models: each gets what it cannot do without; of the rest those that are used get up to what is enough, in proportion to
// what they lack, and what they leave the others, the one used last first. What is left then goes the same way, up to what they can use.
func shareOut(memory int64, all []claimant) []int64 {
	shares := make([]int64, len(all))
	var order []int // of those that are not used
	for i, c := range all {
		shares[i] = c.least
		memory -= c.least
		if !c.used {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return all[b].lastUsed.Compare(all[a].lastUsed) })
	for _, goal := range []func(c claimant) int64{
		func(c claimant) int64 { return min(c.enough, c.most) },
		func(c claimant) int64 { return c.most },
	} {
		lacks := func(i int) int64 { return max(0, goal(all[i])-shares[i]) }
		lacking := 0.
		for i, c := range all {
			if c.used {
				lacking += float64(lacks(i))
			}
		}
		part := 0.
		if lacking > 0 {
			part = min(1, max(0, float64(memory))/lacking)
		}
		for i, c := range all {
			if c.used {
				more := int64(part * float64(lacks(i)))
				shares[i] += more
				memory -= more
			}
		}
		for _, i := range order {
			more := min(lacks(i), max(0, memory))
			shares[i] += more
			memory -= more
		}
	}
	return shares
}

// claimant tells what a model needs of the memory, now or if it is loaded.
func (sv *served) claimant(now time.Time) claimant {
	c := claimant{least: max(sv.Smallest, sv.least, sv.held), enough: sv.Needed, most: sv.most, used: sv.users > 0 || sv.load != nil || now.Sub(sv.lastUsed) < sv.lull, lastUsed: sv.lastUsed}
	switch {
	case sv.grant > 0 && sv.model == nil: // that cannot change now
		c.least, c.most = sv.grant, sv.grant
	case sv.grant > 0 && sv.mapped: // what is mapped takes what it takes: it leaves only what it was given beyond that
		c.least = min(sv.grant, sv.Needed)
	}
	return c
}

// loaded notes what a model that was loaded takes at least, and what it was given: its tokenizer's memory is known only now.
func (sv *served) loaded() {
	sv.least, sv.held = 0, 0
	if b := sv.model.Engine().Budget(); b != nil {
		sv.least = b.SmallestShare() - sv.besides
		sv.grant = max(sv.grant, sv.model.Engine().Memory()-sv.besides)
		if !sv.flexible {
			sv.most = sv.grant
		}
	}
}

// shares returns what each loaded model is to take, and the one that is to be loaded; nil: there is none.
func (m *models) shares(next *served) map[*served]int64 {
	now := time.Now()
	var who []*served
	var all []claimant
	for _, sv := range m.all() {
		if sv == next || sv.grant > 0 {
			who, all = append(who, sv), append(all, sv.claimant(now))
		}
	}
	if len(all) > 1 { // one that was loaded alone may have been given more than it can use
		for i := range all {
			all[i].most = max(all[i].least, min(all[i].most, who[i].usable))
		}
	}
	shares := map[*served]int64{}
	for i, n := range shareOut(m.total-m.base, all) {
		shares[who[i]] = n
	}
	return shares
}

// fits reports whether the loaded models can do with so little that there is room for another one.
func (m *models) fits(next *served) bool {
	sum := next.Smallest
	for _, sv := range m.all() {
		if sv != next && sv.grant > 0 {
			sum += sv.claimant(time.Now()).least
		}
	}
	return sum <= m.total-m.base
}

// spared returns what the loaded models take when each has given what it cannot use.
func (m *models) spared(next *served) (sum int64) {
	now := time.Now()
	for _, sv := range m.all() {
		if sv != next && sv.grant > 0 {
			c := sv.claimant(now)
			sum += min(sv.grant, max(c.least, min(c.most, sv.usable)))
		}
	}
	return sum
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
	for _, gives := range []bool{true, false} {
		for _, sv := range m.all() {
			if sv.model == nil {
				continue
			}
			target := m.shares(next)[sv]
			switch used, _ := m.others(); {
			case gives && target < sv.grant:
				m.setShare(sv, target)
			case !gives && target > sv.grant:
				if next != nil && next.grant == 0 { // which gets the first of it
					used += m.shares(next)[next]
				}
				if target = min(target, sv.grant+m.total-m.base-used); target > sv.grant {
					m.setShare(sv, target)
				}
			}
		}
	}
}

// grow has a model take more whose sequences have no room left: what is free, or what others can do without, or all of an idle one. It reports whether it
// got more. One that is being loaded or unloaded is waited for: what it takes cannot change until then. grow returns at once when ctx ends: what it has
// begun goes on without it.
func (m *models) grow(ctx context.Context, sv *served) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	sv.growing++
	defer func() { sv.growing-- }()
	if !m.waitWhile(ctx, func() bool { return m.settling }) { // it may get more already
		return false
	}
	for before := sv.grant; ; {
		if m.total == 0 || m.closed || sv.model == nil || sv.mapped || before >= sv.most {
			return false
		}
		most := m.total - m.base
		for other := range m.shares(m.loading) {
			if other != sv {
				most -= other.claimant(time.Now()).least
			}
		}
		sv.held = min(before+max(growStep, (sv.usable-sv.Smallest)/16), most, sv.most)
		m.rebalance()
		m.waitWhile(ctx, func() bool { return m.sharing && sv.grant <= before })
		switch {
		case sv.grant > before:
			return true
		case ctx.Err() != nil:
			return false
		case m.moving():
			m.waitWhile(ctx, m.moving)
		default:
			victim := m.leastUsed()
			if victim == nil {
				return false
			}
			m.startUnload(victim, "its memory is needed")
		}
	}
}

// moving reports whether a model is being loaded or unloaded.
func (m *models) moving() bool {
	return m.loading != nil || slices.ContainsFunc(m.all(), func(sv *served) bool { return sv.leaving })
}

// growStep is how much more a model takes at least.
const growStep = 1 << 20

// setShare changes what a model may take.
func (m *models) setShare(sv *served, share int64) {
	model, cache, besides := sv.model, sv.cache, sv.besides
	sv.grant = max(sv.grant, share) // until it has given back what it gives
	was := sv.grant
	m.mu.Unlock()
	cache.bound(share / cacheShare)
	got, err := model.SetShare(context.Background(), share+besides)
	m.mu.Lock()
	if sv.model != model || err != nil {
		return // it is closed, or is going to be
	}
	if sv.grant = got - besides; got == 0 { // nothing bounds what it takes
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

// memoryOf bounds the memory of a model that is to be loaded and may take so much, besides what the process takes.
func (m *models) memoryOf(sv *served, grant, besides int64, o *runtime.Options) {
	if sv.mapped = m.opts.Memory == 0 && grant >= sv.Needed; sv.mapped {
		sv.flexible = false
		return
	}
	sv.flexible = sv.Config.MoE != nil
	o.Memory = max(1, grant) + besides
	if sv.flexible && sv.most > grant {
		o.Memory, o.Share = sv.most+besides, o.Memory
	}
}
