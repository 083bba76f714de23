package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"st/runtime"
	"st/runtime/lru"
	store "st/runtime/models"
	"st/runtime/server/page"
)

// Options say what a server serves.
type Options struct {
	// Models are the files that it serves. A model's name is that which it has in the store, or else that of its file, without directory and
	// ".stm".
	Models []string
	// Store has models by name. Without Models all of them are served, also those that come later, and clients may remove, copy and pull
	// models. nil: there is none.
	Store *store.Store
	// Pull brings the model that a client names into the store, and tells how many bytes have come, and of how many. nil: clients cannot pull. An
	// error that is an [*Error] has its status.
	Pull func(ctx context.Context, name string, progress func(done, total int64)) error

	// Memory bounds what the process takes for all models, in bytes; 0: what the system allows. A model that has no room beside the others
	// is loaded when those are idle, and they are unloaded.
	Memory int64
	// Parallel is how many requests run at the same time, in shared passes; 0: [DefaultParallel].
	Parallel int
	// Queue is how many more may wait; what comes beyond is refused with status 429. 0: [DefaultQueue]; less than 0: none.
	Queue int
	// KeepAlive is how long an idle model stays loaded; 0: [DefaultKeepAlive]; less than 0: until its memory is needed.
	KeepAlive time.Duration

	// CacheDir is a directory for the KV caches of prompts for which memory has no room, and of those that there are when the server ends. Prompts
	// are in them. Empty: none are kept.
	CacheDir string
	// CacheSize bounds the files in CacheDir, in bytes; 0: [DefaultCacheSize]. Those used least recently go first.
	CacheSize int64

	// Context, Threads, ThreadCache, DiskCache, ExpertCache and KVType are as in [runtime.Options].
	Context     int
	Threads     int
	ThreadCache string
	DiskCache   string
	ExpertCache string
	KVType      runtime.KVType
	// ExpertsPerToken and PreferCached are as in [runtime.Options], for the models that have experts.
	ExpertsPerToken int
	PreferCached    float64
	// SparseHead is as in [runtime.Options], for the models that have a predictor.
	SparseHead *float64

	// Lookup is what requests have that say nothing else, or auto.
	Lookup runtime.Lookup

	// APIKey is what clients must send, as "Authorization: Bearer" or "x-api-key". Empty: none.
	APIKey string
	// Origins are those of web pages that may use the server from a browser, such as "https://chat.example.org", besides pages of this
	// machine and of its programs. "*": all.
	Origins []string
	// Hosts are names by which clients call the server, besides localhost, IP addresses and those in .internal. With an APIKey any name will do.
	Hosts []string

	// Logger is told of requests, without what they say, and of models; nil: nobody is.
	Logger *slog.Logger
	// Loaded, if not nil, is called when a model was loaded, before it runs.
	Loaded func(m *runtime.Model)
	// Fallback is as in [runtime.Options].
	Fallback func(threads int)
}

// What the zero values of options mean.
const (
	DefaultParallel  = 4
	DefaultQueue     = 256
	DefaultKeepAlive = 5 * time.Minute
	DefaultCacheSize = 4 << 30
)

func (o *Options) setDefaults() {
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Server serves models. It is an [http.Handler]; [Server.Serve] serves a listener with limits that suit it. Close it after use.
type Server struct {
	opts    Options
	log     *slog.Logger
	models  *models
	places  *semaphore.Weighted // of requests that run
	queue   queue
	waiting atomic.Int64 // requests that wait for a place
	bodies  atomic.Int64 // bytes of the bodies of requests, without the first of each
	handler http.Handler
	meters  *meters
	formats *lru.Cache[answerFormat]
	pulls   pulls

	watchers atomic.Int32 // of experts

	pingAfter time.Duration // the constant; tests have less
}

// New returns a server for the files of opts.Models, which must be models, or for the models of opts.Store: their headers are read.
func New(opts Options) (*Server, error) {
	opts.setDefaults()
	m, err := newModels(&opts)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, log: opts.Logger, models: m, places: semaphore.NewWeighted(int64(opts.Parallel)), formats: newFormats(), pingAfter: pingAfter}
	s.queue.limit = int64(opts.Parallel + max(0, opts.Queue))
	s.meters = newMeters(s)
	s.handler = s.withMiddleware(s.routes())
	return s, nil
}

// routes returns what answers requests. Each protocol has its own.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.Handle("GET "+page.Path, page.Handler())
	mux.HandleFunc("GET /api/experts/events", s.expertsEvents)
	s.routesOpenAI(mux)
	s.routesOllama(mux)
	s.routesAnthropic(mux)
	s.routesLlama(mux)
	mux.HandleFunc("/", s.unknown(mux))
	return mux
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// health tells that the server works, to monitors.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// Close ends what runs, also while Serve waits for it, and unloads all models. Prompts are written to Options.CacheDir for ten seconds at most.
// Requests that come after it get [ErrClosed]. A second Close does nothing.
func (s *Server) Close() error {
	s.pulls.close()
	s.queue.close()
	ctx, cancel := context.WithTimeoutCause(context.Background(), drainTimeout, ErrClosed)
	defer cancel()
	return s.models.close(ctx)
}

// Limits of a connection. A body and an answer have limits of their own: see bodies.go, limitBody, writeJSON and events.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
)

// drainTimeout is how long requests that run may go on when a server ends.
const drainTimeout = 10 * time.Second

// interruptTimeout is how long interrupted requests may take to tell their clients.
const interruptTimeout = 5 * time.Second

func shutdown(h *http.Server, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return h.Shutdown(ctx)
}

// Serve answers the requests that come to a listener until ctx ends; then no more are taken, those that run have some seconds to come to their
// end, and what runs after that is interrupted. It returns nil after that.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, drainTimeout)
}

func (s *Server) serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	base, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(nil)
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.log.Info("ending: requests that run may come to their end", "seconds", drain.Seconds())
	s.queue.close()
	err := shutdown(h, drain)
	if errors.Is(err, context.DeadlineExceeded) {
		interrupt(ErrClosed)
		err = shutdown(h, interruptTimeout)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.Close()
	}
	return err
}
