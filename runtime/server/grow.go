package server

import "context"

// growStep is how much more a model takes at least.
const growStep = 1 << 20

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
		most := m.capacity() - leastOf(m.sharers(m.loading), sv)
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
