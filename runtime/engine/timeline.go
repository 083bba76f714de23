package engine

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Timeline records what an engine's threads and its disk do in the last passes: a pass is a generated token, or a batch of a prompt's tokens. An
// engine records into it if Options.Timeline names it. Write may be called at any time, by any goroutine.
type Timeline struct {
	keep  int
	start time.Time

	mu     sync.Mutex
	passes []timelinePass // the last keep of them, the oldest first
	nested int            // passes that run: one may run between two layers of another
}

// timelinePass is what was recorded from the beginning of a pass to that of the next one.
type timelinePass struct {
	spans []timeSpan
}

// spanKind is what a span is of.
type spanKind uint8

const (
	spanPass  spanKind = iota // n: tokens
	spanStage                 // n: the stage
	spanWork                  // of a thread
	spanWait                  // for the disk
	spanRead                  // n: bytes
)

// timeSpan is a time in which something happened.
type timeSpan struct {
	kind          spanKind
	thread        int32
	layer, expert int32 // −1: none
	n             int64
	why, came     string // of a read: why it began, and what its record was when it came
	begin, end    time.Time
}

// NewTimeline returns a timeline that keeps the last passes.
func NewTimeline(passes int) *Timeline { return &Timeline{keep: max(1, passes), start: time.Now()} }

// beginPass and endPass enclose a pass of n tokens. Methods that record do nothing for nil.
func (t *Timeline) beginPass() time.Time {
	now := time.Now()
	if t == nil {
		return now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nested++; t.nested > 1 {
		return now
	}
	var next timelinePass
	if len(t.passes) == t.keep {
		next.spans = t.passes[0].spans[:0]
		t.passes = slices.Delete(t.passes, 0, 1)
	}
	t.passes = append(t.passes, next)
	return now
}

func (t *Timeline) endPass(begin time.Time, n int) {
	if t == nil {
		return
	}
	t.add(timeSpan{kind: spanPass, layer: -1, expert: -1, n: int64(n), begin: begin, end: time.Now()})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nested--
}

// add records a span. What comes before the first pass is dropped.
func (t *Timeline) add(s timeSpan) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.passes); n > 0 {
		p := &t.passes[n-1]
		p.spans = append(p.spans, s)
	}
}

// traceEvent is an event of the trace-event format ("Trace Event Format", Google): a complete event (X), a counter (C) or metadata (M). Times are in
// microseconds.
type traceEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	Time     float64        `json:"ts"`
	Duration *float64       `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args,omitempty"`
}

// Tracks of the events. Threads that compute are 1, 2, …; reads that are in flight at the same time lie in tracks of their own.
const (
	trackPasses  = 0
	trackThreads = 1
	trackReads   = 1000
)

// Write writes the trace-event JSON that Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) open.
func (t *Timeline) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `{"displayTimeUnit":"ms","traceEvents":[`)
	for i, e := range t.events() {
		if i > 0 {
			out.WriteByte(',')
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		out.WriteByte('\n')
		out.Write(text)
	}
	fmt.Fprint(out, "\n]}\n")
	return out.Flush()
}

// Passes returns how many passes it holds.
func (t *Timeline) Passes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.passes)
}

// events returns names for the tracks, and what was recorded in the order of time.
func (t *Timeline) events() []traceEvent {
	t.mu.Lock()
	var spans []timeSpan
	for i := range t.passes {
		spans = append(spans, t.passes[i].spans...)
	}
	t.mu.Unlock()
	slices.SortStableFunc(spans, func(a, b timeSpan) int { // those that enclose others first
		return cmp.Or(a.begin.Compare(b.begin), b.end.Compare(a.end), cmp.Compare(a.kind, b.kind))
	})
	w := traceTracks{start: t.start, stages: stagesOf(spans), names: map[int]string{}}
	var events []traceEvent
	for i := range spans {
		events = append(events, w.event(&spans[i]))
	}
	events = append(events, counterOf(w.edges, t.start)...)
	slices.SortStableFunc(events, func(a, b traceEvent) int { return cmp.Compare(a.Time, b.Time) })
	return append(metadata(w.names), events...)
}

// traceTracks puts spans on the tracks of a trace.
type traceTracks struct {
	start  time.Time
	stages stageList
	names  map[int]string // of tracks that have a span
	lanes  []time.Time    // when each track of reads is free again
	edges  []edge         // where reads begin and end
}

// event makes an event of a span. Spans come in the order in which they begin.
func (w *traceTracks) event(s *timeSpan) traceEvent {
	d := micros(s.end.Sub(s.begin))
	e := traceEvent{Phase: "X", Process: 1, Time: micros(s.begin.Sub(w.start)), Duration: &d, Args: map[string]any{}}
	if s.layer >= 0 {
		e.Args["layer"] = s.layer
	}
	switch s.kind {
	case spanPass:
		e.Name, e.Category, e.Thread, e.Args["tokens"] = "pass", "pass", trackPasses, s.n
		w.names[e.Thread] = "passes"
	case spanStage:
		e.Name, e.Category, e.Thread = Stage(s.n).String(), "stage", trackThreads
	case spanWork:
		stage := w.stages.at(s.begin)
		e.Name, e.Category, e.Thread = "work", "work", trackThreads+int(s.thread)
		if stage != nil {
			e.Args["stage"] = Stage(stage.n).String()
			e.Args["layer"] = stage.layer
			if s.thread > 0 { // it has no spans of the stages themselves
				e.Name = Stage(stage.n).String()
			}
		}
	case spanWait:
		e.Name, e.Category, e.Thread = "wait for the disk", "wait", trackThreads
	case spanRead:
		lane := w.lane(s)
		e.Name, e.Category, e.Thread = fmt.Sprintf("layer %d expert %d", s.layer, s.expert), "read", trackReads+lane
		e.Args["expert"], e.Args["bytes"], e.Args["why"] = s.expert, s.n, s.why
		if s.came != s.why {
			e.Args["came"] = s.came
		}
		w.names[e.Thread] = fmt.Sprintf("read %d", lane+1)
	}
	if e.Thread >= trackThreads && e.Thread < trackReads {
		w.names[e.Thread] = fmt.Sprintf("thread %d", e.Thread-trackThreads)
	}
	return e
}

// lane returns the first track of reads that is free when a read begins.
func (w *traceTracks) lane(s *timeSpan) int {
	lane := slices.IndexFunc(w.lanes, func(free time.Time) bool { return !free.After(s.begin) })
	if lane < 0 {
		lane = len(w.lanes)
		w.lanes = append(w.lanes, time.Time{})
	}
	w.lanes[lane] = s.end
	w.edges = append(w.edges, edge{s.begin, 1}, edge{s.end, -1})
	return lane
}

// stageList are the spans of stages, in order.
type stageList []*timeSpan

func stagesOf(spans []timeSpan) (all stageList) {
	for i := range spans {
		if spans[i].kind == spanStage {
			all = append(all, &spans[i])
		}
	}
	return all
}

// at returns the stage at a time: of those that enclose each other the inner one; nil if there is none.
func (l stageList) at(when time.Time) *timeSpan {
	i, _ := slices.BinarySearchFunc(l, when, func(s *timeSpan, t time.Time) int {
		if s.begin.After(t) {
			return 1
		}
		return -1
	})
	if i > 0 && !l[i-1].end.Before(when) {
		return l[i-1]
	}
	return nil
}

// edge is where the number of reads in flight changes.
type edge struct {
	at time.Time
	by int
}

// counterOf returns the number of reads in flight over time.
func counterOf(edges []edge, start time.Time) (events []traceEvent) {
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	n := 0
	for _, x := range edges {
		n += x.by
		events = append(events, traceEvent{Name: "reads in flight", Phase: "C", Process: 1, Time: micros(x.at.Sub(start)), Args: map[string]any{"reads": n}})
	}
	return events
}

// metadata names the tracks, in the order of their numbers.
func metadata(tracks map[int]string) []traceEvent {
	events := []traceEvent{{Name: "process_name", Phase: "M", Process: 1, Args: map[string]any{"name": "st"}}}
	for _, id := range slices.Sorted(maps.Keys(tracks)) {
		events = append(events, traceEvent{Name: "thread_name", Phase: "M", Process: 1, Thread: id, Args: map[string]any{"name": tracks[id]}},
			traceEvent{Name: "thread_sort_index", Phase: "M", Process: 1, Thread: id, Args: map[string]any{"sort_index": id}})
	}
	return events
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
