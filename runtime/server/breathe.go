package server

import (
	"context"
	"time"

	"st/runtime"
	"st/runtime/engine"
)

// Models that keep experts in memory leave some to other programs while these need it, and take it again: what is scarce is what the process takes, so one
// decision is made for all models, and shared out among them as the memory itself is. A model that nobody uses gives first.

// canBreathe reports whether a model can leave memory to other programs.
func (sv *served) canBreathe() bool { return sv.model != nil && sv.flexible }

// startBreathing begins to look at how scarce memory is, if there is a model that can leave some to others.
func (m *models) startBreathing() {
	if m.closed || m.breath != nil {
		return
	}
	if find(m.all(), (*served).canBreathe) == nil {
		return
	}
	least, most := m.breathBounds()
	m.breath = runtime.NewBreathing(least, most, engine.MemoryPressure())
	m.breathes.Go(func() {
		ticker := time.NewTicker(runtime.BreathInterval)
		defer ticker.Stop()
		last := time.Now()
		for {
			select {
			case <-m.looking.Done():
				return
			case now := <-ticker.C:
				if !m.look(engine.MemoryPressure(), now.Sub(last)) {
					return
				}
				last = now
			}
		}
	})
}

// breathBounds returns the least and the most that the process takes with the models that are loaded.
func (m *models) breathBounds() (least, most int64) {
	least = m.common()
	most = least
	for _, sv := range m.sharers(nil) {
		if sv.mapped { // its pages are the system's to give up
			continue
		}
		least += m.breathLeast(sv)
		most += m.breathMost(sv)
	}
	return least, most
}

// breathMost returns what a model takes of its share at most: one that is alone may have more than it can use.
func (m *models) breathMost(sv *served) int64 {
	return max(min(sv.grant, sv.usable), m.breathLeast(sv))
}

// breathLeast returns what a model takes at least, however much other programs need.
func (m *models) breathLeast(sv *served) int64 {
	if !sv.canBreathe() {
		return sv.grant
	}
	return min(sv.grant, max(0, sv.model.Engine().LeastMemory()-m.common()))
}

// look does what a look at the memory leads to, and reports whether there is anything more to look after.
func (m *models) look(p engine.Pressure, elapsed time.Duration) bool {
	m.mu.Lock()
	if m.closed || find(m.all(), (*served).canBreathe) == nil {
		m.breath = nil
		m.mu.Unlock()
		return false
	}
	least, most := m.breathBounds()
	m.breath.Bound(least, most)
	was := m.breath.Now()
	now := m.breath.Next(p, elapsed)
	switch {
	case now < was && was == most:
		m.opts.Logger.Info("other programs need memory: models give some back", "memory", runtime.FormatBytes(now), "of", runtime.FormatBytes(most))
	case now > was && now == most:
		m.opts.Logger.Info("models have taken their memory again", "memory", runtime.FormatBytes(now))
	case now != was:
		m.opts.Logger.Debug("other programs need memory", "memory", now, "before", was, "of", most)
	}
	behind := m.behind
	m.mu.Unlock()
	if now != was || behind {
		m.apply()
	}
	return true
}

// applyTime is how long a model is waited for that has to end reads before it can give memory back: a disk may stall.
const applyTime = runtime.BreathInterval

// apply has each model take its part of what other programs leave. It waits for none of their passes, which obey between two layers, and for none of their
// reads for long.
func (m *models) apply() {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.mu.Lock()
	parts := map[*runtime.Model]int64{}
	for sv, bytes := range m.parts() {
		parts[sv.model] = bytes
	}
	m.mu.Unlock()
	behind := false
	for model, bytes := range parts {
		ctx, cancel := context.WithTimeout(m.looking, applyTime)
		if _, obeyed := model.LimitMemory(ctx, bytes+m.common()); !obeyed {
			behind = true
		}
		cancel()
	}
	m.mu.Lock()
	m.behind = behind
	m.mu.Unlock()
}

// taken returns what a model may take of its share now, while other programs need the rest.
func (m *models) taken(sv *served) int64 {
	if !sv.canBreathe() {
		return sv.grant
	}
	return max(0, sv.model.Engine().Memory()-m.common())
}

// parts returns what each model that can leave memory to other programs takes of its share.
func (m *models) parts() map[*served]int64 {
	parts := map[*served]int64{}
	if m.breath == nil {
		return parts
	}
	m.breath.Bound(m.breathBounds())
	memory := m.breath.Now() - m.common()
	var who []*served
	var all []claimant
	for _, sv := range m.sharers(nil) {
		switch {
		case sv.mapped:
			continue
		case !sv.canBreathe():
			memory -= m.breathMost(sv)
			continue
		}
		c := sv.claimant(false)
		c.least, c.enough, c.most = m.breathLeast(sv), m.breathMost(sv), m.breathMost(sv)
		who, all = append(who, sv), append(all, c)
	}
	for i, n := range shareOut(memory, all) {
		if n == all[i].most { // of what it cannot use, too
			n = who[i].grant
		}
		parts[who[i]] = n
	}
	return parts
}
