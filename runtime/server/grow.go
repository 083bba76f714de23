package server

import (
	"context"
	"slices"
)

// growStep is how much more a model takes at least.
const growStep = 1 << 20

// grow has a model take more whose sequences have no room left: what is free, or what others can do without, or all of an idle one. It reports whether it
// got more, or one of its own requests came to its end, which is as good. One that is being loaded or unloaded is waited for, because what it takes cannot
// change until then, and so are requests that run. grow returns at once when ctx ends: what it has begun goes on without it.
func (m *models) grow(ctx context.Context, sv *served) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	sv.growing++
	defer func() { sv.growing-- }()
	before, ended := sv.grant, sv.ended
	if !m.waitWhile(ctx, func() bool { return m.settling }) { // it may get more already
		return false
	}
	for {
		if m.total == 0 || m.closed || sv.model == nil || sv.mapped {
			return false
		}
		who := []*served{sv} // of whom more may come
		if before < sv.most {
			who = m.all()
			most := m.capacity() - leastOf(m.sharers(m.loading), sv)
			sv.held = min(before+max(growStep, (sv.usable-sv.Smallest)/16), most, sv.most)
			m.rebalance()
			m.waitWhile(ctx, func() bool { return m.sharing && sv.grant <= before })
		}
		victim := m.leastUsed()
		switch {
		case sv.grant > before, sv.ended > ended:
			return true
		case ctx.Err() != nil:
			return false
		case before < sv.most && m.moving():
			m.waitWhile(ctx, m.moving)
		case before < sv.most && victim != nil:
			m.startUnload(victim, "its memory is needed")
		case slices.ContainsFunc(who, (*served).works):
			m.wait(ctx)
		default:
			return false
		}
	}
}

// works reports whether a model has a request that comes to its end by itself: more are there than sequences that wait for memory. If all waited for one
// another, none would ever get more.
func (sv *served) works() bool { return sv.model != nil && sv.users > sv.growing }
