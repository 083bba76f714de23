package server

import (
	"context"
	"runtime/debug"
	"time"
)

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
		// The tokenizer may be as large as the weights, and the next model counts on its memory: it must be no garbage any more.
		model, cache = nil, nil
		debug.FreeOSMemory()
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

// idle is called when nobody uses a model any more.
func (m *models) idle(sv *served, keepAlive time.Duration) {
	if sv.dropped && !m.closed {
		m.startUnload(sv, "it was removed")
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
		m.startUnload(sv, "its request said so") // whose answer does not wait for that
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
