package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"st/runtime"
	"st/runtime/engine"
)

// meters counts what a server does, for Prometheus. Names follow https://prometheus.io/docs/practices/naming.
type meters struct {
	set                           *metrics.Set
	promptTokens, cached, tokens  *metrics.Counter
	firstToken, perToken, waiting *metrics.PrometheusHistogram
	interrupted                   *metrics.Counter
	drafted, accepted             *metrics.Counter
}

// Bounds of histograms, in seconds.
var (
	firstTokenBounds = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}
	perTokenBounds   = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
)

func newMeters(s *Server) *meters {
	set := metrics.NewSet()
	m := &meters{
		set:          set,
		promptTokens: set.NewCounter("st_prompt_tokens_total"),
		cached:       set.NewCounter("st_prompt_tokens_cached_total"),
		tokens:       set.NewCounter("st_generated_tokens_total"),
		drafted:      set.NewCounter("st_drafted_tokens_total"),
		accepted:     set.NewCounter("st_accepted_tokens_total"),
		interrupted:  set.NewCounter("st_texts_interrupted_total"),
		firstToken:   set.NewPrometheusHistogramExt("st_time_to_first_token_seconds", firstTokenBounds),
		perToken:     set.NewPrometheusHistogramExt("st_time_per_token_seconds", perTokenBounds),
		waiting:      set.NewPrometheusHistogramExt("st_queue_seconds", firstTokenBounds),
	}
	set.NewGauge("st_requests_active", func() float64 { return float64(s.queue.active()) })
	set.NewGauge("st_requests_waiting", func() float64 { return float64(s.waiting.Load()) })
	set.NewGauge("st_memory_limit_bytes", func() float64 { return float64(s.models.total) })
	set.NewGauge("st_memory_common_bytes", func() float64 { return float64(s.models.common()) })
	for _, sv := range s.models.all() {
		m.addModel(s.models, sv)
	}
	return m
}

// addModel adds what is told of a model. While it is not loaded, it takes no memory, and its counters begin anew when it is loaded again.
func (m *meters) addModel(all *models, sv *served) {
	locked := func(name, labels string, value func() float64) {
		m.set.NewGauge(fmt.Sprintf("%s{model=%q%s}", name, sv.Name, labels), func() float64 {
			all.mu.Lock()
			defer all.mu.Unlock()
			return value()
		})
	}
	gauge := func(name, labels string, value func(*runtime.Model) float64) {
		locked(name, labels, func() float64 {
			if sv.model == nil {
				return 0
			}
			return value(sv.model)
		})
	}
	locked("st_model_loads_total", "", func() float64 { return float64(sv.loads) })
	gauge("st_model_loaded", "", func(*runtime.Model) float64 { return 1 })
	gauge("st_expert_uses_total", "", func(m *runtime.Model) float64 { return float64(m.Stats().ExpertUses) })
	gauge("st_expert_misses_total", "", func(m *runtime.Model) float64 { return float64(m.Stats().ExpertMisses) })
	gauge("st_expert_read_bytes_total", "", func(m *runtime.Model) float64 { return float64(m.Stats().ExpertBytesRead) })
	gauge("st_expert_wait_seconds_total", "", func(m *runtime.Model) float64 { return m.Stats().ExpertWait.Seconds() })
	locked("st_memory_share_bytes", "", func() float64 { return float64(sv.grant) }) // also while it is being loaded or unloaded
	locked("st_memory_taken_bytes", "", func() float64 { return float64(all.taken(sv)) })
	for purpose, bytes := range map[string]func(engine.MemoryUse) int64{
		"dense":    func(u engine.MemoryUse) int64 { return u.Dense },
		"experts":  func(u engine.MemoryUse) int64 { return u.Experts },
		"kv_cache": func(u engine.MemoryUse) int64 { return u.KV },
		"working":  func(u engine.MemoryUse) int64 { return u.Working },
	} {
		gauge("st_memory_bytes", fmt.Sprintf(",purpose=%q", purpose), func(m *runtime.Model) float64 { return float64(bytes(m.Engine().MemoryUse())) })
	}
}

// request counts a request by what it asked for.
func (m *meters) request(pattern string, status int) {
	m.set.GetOrCreateCounter(fmt.Sprintf("st_http_requests_total{route=%q,status=\"%d\"}", pattern, status)).Inc()
}

// text counts a text that came to its end.
func (m *meters) text(r *runtime.Result, queued time.Duration) {
	m.promptTokens.Add(r.PromptTokens + r.CachedTokens)
	m.cached.Add(r.CachedTokens)
	m.tokens.Add(len(r.Tokens))
	m.drafted.Add(r.Drafted)
	m.accepted.Add(r.Accepted)
	if r.FirstToken > 0 {
		m.firstToken.Update((queued + r.FirstToken).Seconds())
	}
	if r.Stop == runtime.StopInterrupted {
		m.interrupted.Inc()
	}
}

// metrics tells the counters, to Prometheus.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	s.meters.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w) // of the process and of Go
}
