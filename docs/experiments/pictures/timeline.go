package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// event is an event of the trace-event format, as st writes it. Times are in microseconds.
type event struct {
	Name     string  `json:"name"`
	Category string  `json:"cat"`
	Phase    string  `json:"ph"`
	Time     float64 `json:"ts"`
	Duration float64 `json:"dur"`
	Track    int     `json:"tid"`
	Args     struct {
		Layer  *int   `json:"layer"`
		Stage  string `json:"stage"`
		Why    string `json:"why"`  // a read began
		Came   string `json:"came"` // what was read, if it was something else by then
		Tokens int    `json:"tokens"`
		Bytes  int64  `json:"bytes"`
	} `json:"args"`
}

func (e event) end() float64 { return e.Time + e.Duration }

// Tracks as st numbers them: threads that compute from 1 on, reads that are in flight from 1000 on.
const (
	firstThread = 1
	firstRead   = 1000
)

// Geometry of a time line: strips of stripLength µs below each other, like lines of text.
const (
	stripLength = 12500.0
	left, right = 66.0, 14.0
	lineWidth   = 940.0
	threadRow   = 15.0
	readRow     = 6.0
	gap         = 3.0
	smallest    = 0.4 // pixels: what is nearer together than that is drawn as one
)

// drawTimeline draws one token of a file that st bench --timeline wrote: the n-th, or, for 0, that of median length.
func drawTimeline(file, title string, n int) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var trace struct {
		Events []event `json:"traceEvents"`
	}
	if err := json.Unmarshal(text, &trace); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	token, err := choose(trace.Events, n)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	var events []event
	for _, e := range trace.Events {
		if e.Phase == "X" && e.Category != "pass" && e.end() > token.Time && e.Time < token.end() {
			begin, end := max(e.Time, token.Time), min(e.end(), token.end())
			e.Time, e.Duration = begin-token.Time, end-begin
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.Time, b.Time) })
	t := timeline{events: events, length: token.Duration}
	return t.draw(title), nil
}

// choose returns the pass of the n-th token, or for 0 that of median length. Passes of several tokens, which are a prompt's, do not count.
func choose(events []event, n int) (event, error) {
	var tokens []event
	for _, e := range events {
		if e.Category == "pass" && e.Args.Tokens == 1 {
			tokens = append(tokens, e)
		}
	}
	if n < 0 || n > len(tokens) || len(tokens) == 0 {
		return event{}, fmt.Errorf("it has %d tokens", len(tokens))
	}
	if n > 0 {
		return tokens[n-1], nil
	}
	slices.SortFunc(tokens, func(a, b event) int { return cmp.Compare(a.Duration, b.Duration) })
	return tokens[len(tokens)/2], nil
}

type timeline struct {
	events         []event // of one token, by time, from its beginning on
	length         float64
	threads, reads int

	canvas
	drawn map[string]float64 // where the last shape of a class ends in a row and strip
}

func (t *timeline) draw(title string) string {
	for _, e := range t.events {
		switch {
		case e.Track >= firstRead:
			t.reads = max(t.reads, e.Track-firstRead+1)
		case e.Track >= firstThread:
			t.threads = max(t.threads, e.Track-firstThread+1)
		}
	}
	strips := int(t.length/stripLength) + 1
	t.width, t.height = left+lineWidth+right, 62+float64(strips)*t.stripHeight()
	t.drawn = map[string]float64{}

	summary := fmt.Sprintf("a token of %.1f ms; waiting for the disk %.1f ms; the disk busy for %.0f %%, %d reads, %.0f MB", t.length/1e3, t.waiting()/1e3,
		100*t.busy()/t.length, t.count("read"), t.megabytes())
	if title != "" {
		summary = title + ": " + summary
	}
	t.text("ink", "start", 14, 8, 22, summary)
	for i := range strips {
		t.drawStrip(i)
	}
	entries := [][2]string{{"attend", "router, attention"}, {"experts", "experts"}, {"head", "head, sampling"}, {"wait", "waiting"},
		{"wanted", "read: wanted"}, {"late", "expected, then wanted"}, {"expected", "expected"}, {"vain", "no longer expected"}}
	t.legend(8, 44, slices.DeleteFunc(entries, func(entry [2]string) bool {
		return !slices.ContainsFunc(t.events, func(e event) bool { return class(e) == entry[0] })
	})...)
	layer := -1
	for _, e := range t.events {
		if e.Category == "stage" && e.Track == firstThread && e.Args.Layer != nil && *e.Args.Layer > layer {
			layer = *e.Args.Layer
			t.mark(e.Time, fmt.Sprint(layer))
		}
	}
	for _, e := range t.events {
		if e.Category == "stage" && e.Name == "head" {
			t.mark(e.Time, "head")
			break
		}
	}
	for _, category := range []string{"work", "wait", "read"} {
		for _, e := range t.events {
			if e.Category == category {
				t.span(e)
			}
		}
	}
	return t.svg(summary)
}

func (t *timeline) stripHeight() float64 {
	return 30 + float64(t.threads)*(threadRow+gap) + float64(t.reads)*(readRow+1) + 14
}

// top is where the rows of a strip begin; row is that of a track.
func (t *timeline) top(strip int) float64 { return 62 + float64(strip)*t.stripHeight() + 18 }

func (t *timeline) row(track int) (y, height float64) {
	if track < firstRead {
		return float64(track-firstThread) * (threadRow + gap), threadRow
	}
	return float64(t.threads)*(threadRow+gap) + gap + float64(track-firstRead)*(readRow+1), readRow
}

// drawStrip draws what is behind the events: names of the rows, and the scale.
func (t *timeline) drawStrip(strip int) {
	top := t.top(strip)
	begin := float64(strip) * stripLength
	end := min(t.length, begin+stripLength)
	width := (end - begin) / stripLength * lineWidth
	t.text("faint", "end", 11, left-6, top-4, "layer")
	for thread := range t.threads {
		y, h := t.row(firstThread + thread)
		t.text("faint", "end", 11, left-6, top+y+h-3, fmt.Sprintf("thread %d", thread))
		t.rect("track", left, top+y, width, h)
	}
	bottom, _ := t.row(firstRead + t.reads)
	if t.reads > 0 {
		y, _ := t.row(firstRead)
		t.text("faint", "end", 11, left-6, top+(y+bottom)/2+4, "disk")
		t.rect("track", left, top+y, width, bottom-y-1)
	}
	for ms := int(begin/1e3 + 0.999); float64(ms)*1e3 <= end; ms++ {
		x := left + (float64(ms)*1e3-begin)/stripLength*lineWidth
		t.line("axis", [2]float64{x, top + bottom}, [2]float64{x, top + bottom + 4})
		label := fmt.Sprint(ms)
		if ms == 0 || float64(ms) == begin/1e3 {
			label += " ms"
		}
		t.text("faint", "middle", 10, x, top+bottom+14, label)
	}
}

// mark writes a word above the time at which it begins.
func (t *timeline) mark(at float64, word string) {
	strip := int(at / stripLength)
	x := left + (at-float64(strip)*stripLength)/stripLength*lineWidth
	bottom, _ := t.row(firstRead + t.reads)
	t.line("axis", [2]float64{x, t.top(strip) - 6}, [2]float64{x, t.top(strip) + bottom})
	t.text("faint", "start", 10, x+2, t.top(strip)-4, word)
}

// span draws an event, in two strips if it goes over the end of one.
func (t *timeline) span(e event) {
	class := class(e)
	y, h := t.row(e.Track)
	for strip := int(e.Time / stripLength); float64(strip)*stripLength < e.end(); strip++ {
		begin := max(0, e.Time-float64(strip)*stripLength) / stripLength * lineWidth
		end := min(stripLength, e.end()-float64(strip)*stripLength) / stripLength * lineWidth
		key := fmt.Sprint(class, e.Track, strip)
		if last, ok := t.drawn[key]; ok && begin < last { // it was drawn as part of the one before
			begin = last
		}
		if end-begin < smallest {
			continue
		}
		t.drawn[key] = end
		if e.Category == "read" && end-begin > 2 {
			end-- // one read ends where the next begins
		}
		t.rect(class, left+begin, t.top(strip)+y, end-begin, h)
	}
}

// class is what an event is drawn as.
func class(e event) string {
	switch e.Category {
	case "wait":
		return "wait"
	case "read":
		switch came := cmp.Or(e.Args.Came, e.Args.Why); {
		case came == "wanted" && e.Args.Why == "expected":
			return "late"
		case came == "wanted", came == "expected":
			return came
		}
		return "vain"
	}
	stage := cmp.Or(e.Args.Stage, e.Name)
	switch {
	case strings.HasPrefix(stage, "expert"), stage == "sum":
		return "experts"
	case stage == "head", stage == "sample":
		return "head"
	}
	return "attend"
}

func (t *timeline) waiting() (sum float64) {
	for _, e := range t.events {
		if e.Category == "wait" {
			sum += e.Duration
		}
	}
	return sum
}

// busy is the time in which the disk reads something.
func (t *timeline) busy() (sum float64) {
	until := 0.0
	for _, e := range t.events {
		if e.Category == "read" && e.end() > until {
			sum += e.end() - max(until, e.Time)
			until = e.end()
		}
	}
	return sum
}

func (t *timeline) count(category string) (n int) {
	for _, e := range t.events {
		if e.Category == category {
			n++
		}
	}
	return n
}

func (t *timeline) megabytes() (sum float64) {
	for _, e := range t.events {
		if e.Category == "read" {
			sum += float64(e.Args.Bytes) / 1e6
		}
	}
	return sum
}
