package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"st/format"
	"st/quant"
	"st/runtime"
	"st/runtime/engine"
	store "st/runtime/models"
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
	// besides what the models have in common: see [Memory].
	Needed, Smallest int64
	// Least is the smallest Options.Memory, in whole MiB, with which the model runs if it is the only one.
	Least int64
	// Loaded says that it is in memory, and Expires when it will leave; the zero time: not by itself.
	Loaded  bool
	Expires time.Time
}

// Models tells of the models that are served, in the order in which they were given, or by name if they are those of the store.
func (s *Server) Models() []ModelInfo { return s.models.list() }

// Memory tells what the models of a server may take together.
type Memory struct {
	// Total is the bound of the process in bytes; 0: that is not known. Common is the part of it that models have in common: the program, and what is left
	// for the operating system's tables and for garbage. The shares of the models are never more than the rest.
	Total, Common int64
	// Allowed is what the process can have without pushing others out, and Source who says so, if that is where Total comes from.
	Allowed int64
	Source  string
}

// Memory tells what all models may take together.
func (s *Server) Memory() Memory { return s.models.from }

// models holds the models of a server, and loads and unloads them.
type models struct {
	opts    *Options
	total   int64 // memory of the process; 0: that is not known
	from    Memory
	program int64 // what the process takes without models

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

	breath   *runtime.Breathing // decides how much is left to other programs; nil: no model that is loaded can leave them any
	breathes sync.WaitGroup
	looking  context.Context // ends when nothing is to be looked after any more
	stopLook context.CancelFunc
	behind   bool       // a model has not obeyed yet
	applying sync.Mutex // held while models are told how much they leave to other programs
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
	grant    int64 // that it may take, of what the models do not have in common
	most     int64 // that it can ever take
	least    int64 // that it cannot do without
	held     int64 // that sequences made it take
	growing  int   // sequences that are about to take more
	ended    int   // requests that have come to their end
	mapped   bool  // its file is, and nothing bounds its memory
	flexible bool  // it can do with much less: experts are read when they are needed
	lull     time.Duration
	loads    int // how often it was loaded
	users    int
	lastUsed time.Time
	timer    *time.Timer // unloads it
	load     *load       // nil: it is not being loaded
	leaving  bool        // it is being unloaded: its memory is still taken
}

// programMemory measures what the process takes without models. Tests measure it once: what earlier ones leave, and the race detector keeps of them, is not
// the program's.
var programMemory = runtime.ProgramMemory

func newModels(opts *Options) (*models, error) {
	m := &models{opts: opts, bad: map[string]int64{}, changed: make(chan struct{}), program: programMemory()}
	m.looking, m.stopLook = context.WithCancel(context.Background())
	if m.total = opts.Memory; m.total == 0 {
		m.from.Allowed, m.from.Source = engine.AllowedMemory()
		m.total = m.from.Allowed / 20 * 19 // some is left to others
	}
	m.from.Total, m.from.Common = m.total, m.common()
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
			return false, errRemoved(sv)
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

// release ends a use of a model. keepAlive is how long it stays if that was the last; 0: not at all; less than 0: until its memory is needed.
func (m *models) release(sv *served, keepAlive time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sv.users--
	sv.ended++
	sv.lastUsed = time.Now()
	if sv.growing == 0 { // another request's sequence counts on it
		sv.held = 0
	}
	if sv.users == 0 && sv.model != nil {
		m.idle(sv, keepAlive)
	}
	m.change()
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

// moving reports whether a model is being loaded or unloaded.
func (m *models) moving() bool {
	return m.loading != nil || slices.ContainsFunc(m.all(), func(sv *served) bool { return sv.leaving })
}

// close unloads all models. What runs ends with an error. Prompts are written to disk until ctx ends.
func (m *models) close(ctx context.Context) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopLook()
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
	m.breathes.Wait()
	m.mu.Lock()
	return err
}
