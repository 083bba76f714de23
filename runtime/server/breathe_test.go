package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"st/runtime"
	"st/runtime/engine"
)

// holdBreath keeps models from looking at the machine's memory, which may be scarce: the test says how much there is.
func (m *models) holdBreath() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breath = runtime.NewBreathing(0, 0, engine.Pressure{})
}

// Models that are loaded leave memory to other programs as one: a model that nobody uses first, and no more in all than is asked for. They write the same, and
// take it again.
func TestModelsBreathe(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Models: []string{modelPath, otherPath}, Memory: 1 << 40, KeepAlive: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	b.lull = 0
	m.holdBreath()
	text := func(name string) string {
		t.Helper()
		return get[completion](t, c, "/v1/completions", `{"model": "`+name+`", "prompt": "Once", "max_tokens": 8, "seed": 3, "cache_prompt": false}`).Choices[0].Text
	}
	first, other := text("tiny"), text("other")
	m.mu.Lock()
	a.lull = time.Hour // it counts as used
	m.mu.Unlock()
	m.until(func() bool { return true })
	taken := func(sv *served) int64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.taken(sv)
	}
	m.mu.Lock()
	common, least, share, needs := m.common(), a.least, a.grant, b.least
	m.mu.Unlock()
	if taken(a) != share || taken(b) != b.grant {
		t.Errorf("nothing is scarce, and they take %d of %d and %d of %d", taken(a), share, taken(b), b.grant)
	}
	look := func(n int, p engine.Pressure) {
		for range n {
			m.look(p, runtime.BreathInterval)
		}
	}
	// The control group's limit is below what both take.
	group := common + needs + (least+share)/2
	look(1, engine.Pressure{Free: 1 << 40, Limit: 1 << 40, Group: group})
	if both := common + taken(a) + taken(b); both > group || both < group-4096 {
		t.Errorf("they take %d of the group's %d", both, group)
	}
	if taken(b) != needs || taken(a) <= least {
		t.Errorf("the idle model keeps %d, of which it needs %d, and the one that is used %d, of which it needs %d", taken(b), needs, taken(a), least)
	}
	if got := text("tiny"); got != first {
		t.Errorf("it writes %q, and %q with more memory", got, first)
	}
	if got := text("other"); got != other {
		t.Errorf("it writes %q, and %q with more memory", got, other)
	}
	m.until(func() bool { return true })
	if both := common + taken(a) + taken(b); both > group {
		t.Errorf("after they were used they take %d of the group's %d", both, group)
	}
	// Sequences grow into what their model may take, whatever is scarce.
	j, err := c.begin(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, j, 2)
	j.end()
	look(100, engine.Pressure{Free: 1 << 40, Limit: 1 << 40})
	for _, sv := range m.served {
		if taken(sv) != sv.grant {
			t.Errorf("%s has not taken its memory again: %d of %d", sv.Name, taken(sv), sv.grant)
		}
	}
	for _, want := range []string{"other programs need memory", "have taken their memory again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say that %s", want)
		}
	}
}

// A model that is loaded while memory is scarce takes no more than its part of what there is, and one that leaves takes its part of the scarcity with it.
func TestLoadedWhileScarce(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}, Memory: 1 << 40, KeepAlive: -1})
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	m.holdBreath()
	j, err := c.begin(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.end()
	m.until(func() bool { return true })
	scarce := engine.Pressure{Free: 1 << 40, Limit: 1 << 40, Group: m.common() + a.Smallest + b.Smallest + 1<<20}
	m.look(scarce, runtime.BreathInterval)
	k, err := c.begin(t.Context(), "other", new(time.Duration(0)))
	if err != nil {
		t.Fatal(err)
	}
	m.until(func() bool { return true })
	m.look(scarce, runtime.BreathInterval)
	m.mu.Lock()
	if both := m.common() + m.taken(a) + m.taken(b); both > scarce.Group {
		t.Errorf("they take %d of the group's %d", both, scarce.Group)
	}
	m.mu.Unlock()
	k.end()
	m.until(func() bool { return b.grant == 0 })
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.common() + m.taken(a); now > scarce.Group || m.taken(a) < min(a.grant, scarce.Group-m.common())-4096 {
		t.Errorf("the model that is left takes %d of the group's %d", now, scarce.Group)
	}
}
