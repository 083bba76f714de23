package server

import (
	"net/http"
	"time"

	"st/runtime"
	"st/runtime/engine"
	"st/runtime/process"
)

// What a listener of /api/experts/events gets.
const (
	frameInterval  = time.Second / 15 // between two events, at least
	memoryInterval = time.Second      // between two looks at the memory
	pulseInterval  = 15 * time.Second // between two signs of life while nothing happens
	maxWatchers    = 64               // listeners
)

// expertsModel is the event "model": what there is to see. It comes first, and again when the model was loaded or unloaded.
type expertsModel struct {
	Model   string `json:"model"`
	Loaded  bool   `json:"loaded"`
	Layers  []int  `json:"layers"`  // that have experts, counted from 0; none: the model is dense
	Experts int    `json:"experts"` // of a layer
	TopK    int    `json:"experts_per_token"`
	Context int    `json:"context"` // tokens of a sequence, at most
}

// expertsWork is the event "work": what the experts did since the last one. An expert's index is its layer's place in Layers times Experts, plus its
// number.
type expertsWork struct {
	Seconds  float64 `json:"seconds"`  // that the event is about
	Tokens   int64   `json:"tokens"`   // that went through the layers, of prompts and answers
	Chosen   []int   `json:"chosen"`   // experts that tokens chose
	Counts   []int64 `json:"counts"`   // how many tokens chose each of them
	Uses     int64   `json:"uses"`     // of an expert by a batch of tokens
	Misses   int64   `json:"misses"`   // of these, that did not find it in memory
	Read     int64   `json:"read"`     // bytes
	Arrived  []int   `json:"arrived"`  // experts that came into memory
	Departed []int   `json:"departed"` // and that left it
}

// expertsMemory is the event "memory", in bytes.
type expertsMemory struct {
	Budget  int64 `json:"budget"` // the model's share; 0: there is no bound, the file is mapped
	Dense   int64 `json:"dense"`
	Experts int64 `json:"experts"`
	KV      int64 `json:"kv_cache"`
	Working int64 `json:"working"`
	Mapped  int64 `json:"mapped"`  // of the file
	Process int64 `json:"process"` // all that the process has in memory
}

// expertsEvents answers /api/experts/events with what a model's experts do, until the client goes away. It compares counters that the engine has
// in any case, so that nothing is spent while nobody listens, and computing waits for no listener.
func (s *Server) expertsEvents(w http.ResponseWriter, r *http.Request) {
	sv, err := s.models.find(r.URL.Query().Get("model"))
	defer s.watchers.Add(-1)
	if n := s.watchers.Add(1); err == nil && n > maxWatchers {
		err = &Error{Status: http.StatusTooManyRequests, Code: "too_many_watchers", Message: "too many clients watch the experts: try again later",
			RetryAfter: retryAfter}
	}
	if err != nil {
		writeError(w, r, err)
		return
	}
	serving(r.Context(), sv)
	e := &events{w: w}
	watch := &watch{all: s.models, served: sv}
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for last := time.Now(); !s.queue.ended(); {
		sent, ok := watch.look(e)
		switch now := time.Now(); {
		case sent:
			last = now
		case ok && now.Sub(last) >= pulseInterval:
			last, ok = now, e.pulse()
		}
		if !ok {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// pulse sends a comment, so that what lies between does not take the connection for dead.
func (e *events) pulse() bool { return e.text(":\n\n") }

// watch is what a listener has been told.
type watch struct {
	all    *models
	served *served

	begun      bool
	model      *runtime.Model // the last one looked at; nil: it was not loaded
	time       time.Time      // of the last event of work
	stats      engine.Stats
	uses       []int64
	residents  []bool
	spare      []bool // to look at who is in memory now
	memory     expertsMemory
	memoryTime time.Time
}

// look sends what has changed since the last look. It reports whether that was anything, and whether the client is still there.
func (v *watch) look(e *events) (sent, ok bool) {
	v.all.mu.Lock()
	m, gone := v.served.model, v.served.dropped
	fresh := !v.begun || m != v.model
	var work *expertsWork
	var memory *expertsMemory
	if m != nil {
		work, memory = v.compare(m, fresh)
	}
	v.all.mu.Unlock()
	if m == nil && gone { // a client that asks again gets the model that has the name now, or an error
		return false, false
	}
	v.begun, v.model = true, m
	if m == nil {
		v.time = time.Now()
	}

	ok = true
	if fresh {
		sent, ok = true, e.send("model", v.describe(m))
	}
	if ok && work != nil {
		sent, ok = true, e.send("work", work)
	}
	if ok && memory != nil {
		sent, ok = true, e.send("memory", memory)
	}
	return sent, ok
}

// describe tells of a model, which is nil while it is not loaded.
func (v *watch) describe(m *runtime.Model) *expertsModel {
	c := &v.served.Config
	d := &expertsModel{Model: v.served.Name, Loaded: m != nil, Layers: []int{}, Context: c.Context}
	if c.MoE != nil {
		d.Layers, d.Experts, d.TopK = c.MoELayers(), c.MoE.Experts, c.MoE.ExpertsPerToken
	}
	if m != nil {
		d.Context = m.Context()
	}
	return d
}

// compare returns what happened since the last look, and the memory if it is another and it is time to tell; nil: nothing. The models are locked, so
// that this one stays loaded.
func (v *watch) compare(m *runtime.Model, fresh bool) (*expertsWork, *expertsMemory) {
	g, now := m.Engine(), time.Now()
	stats, look := g.Stats(), now.Sub(v.memoryTime) >= memoryInterval
	if !fresh && !look && stats == v.stats {
		v.time = now
		return nil, nil
	}
	uses := g.Usage().Uses
	v.spare = g.Residents(v.spare[:0])
	switch {
	case !v.begun: // what was before is not told
		v.stats, v.uses, v.time = stats, uses, now
	case fresh: // it was loaded since the last look
		v.stats, v.uses = engine.Stats{}, make([]int64, len(uses))
	}
	if fresh {
		v.residents, v.memory, v.memoryTime = make([]bool, len(v.spare)), expertsMemory{}, time.Time{}
	}
	work := &expertsWork{Seconds: now.Sub(v.time).Seconds(), Tokens: stats.Tokens - v.stats.Tokens, Chosen: []int{}, Counts: []int64{},
		Uses: stats.ExpertUses - v.stats.ExpertUses, Misses: stats.ExpertMisses - v.stats.ExpertMisses, Read: stats.ExpertBytesRead - v.stats.ExpertBytesRead,
		Arrived: []int{}, Departed: []int{}}
	for i, n := range uses {
		if n > v.uses[i] {
			work.Chosen, work.Counts = append(work.Chosen, i), append(work.Counts, n-v.uses[i])
		}
	}
	for i, in := range v.spare {
		switch {
		case in && !v.residents[i]:
			work.Arrived = append(work.Arrived, i)
		case !in && v.residents[i]:
			work.Departed = append(work.Departed, i)
		}
	}
	v.residents, v.spare = v.spare, v.residents
	v.stats, v.uses, v.time = stats, uses, now
	if work.Tokens == 0 && work.Read == 0 && len(work.Chosen)+len(work.Arrived)+len(work.Departed) == 0 {
		work = nil
	}
	if !fresh && !look {
		return work, nil
	}
	u := g.MemoryUse()
	memory := expertsMemory{Dense: u.Dense, Experts: u.Experts, KV: u.KV, Working: u.Working, Process: process.Resident()}
	if memory.Budget = v.served.grant; m.Memory().Budget == 0 {
		memory.Budget, memory.Mapped = 0, stats.ModelBytes
	}
	v.memoryTime = now
	if memory == v.memory {
		return work, nil
	}
	v.memory = memory
	return work, &memory
}
