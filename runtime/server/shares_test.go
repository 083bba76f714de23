package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"st/runtime"
)

// Memory follows who is used; what cannot be given stays.
func TestShareOut(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	for _, tt := range []struct {
		name   string
		memory int64
		all    []claimant
		want   []int64
	}{
		{"room for all", 1000, []claimant{{100, 400, true, late}, {100, 500, false, late}}, []int64{400, 500}},
		{"one is idle", 600, []claimant{{100, 400, true, late}, {100, 500, false, late}}, []int64{400, 200}},
		{"one is idle, and there is not enough for the other", 400, []claimant{{100, 400, true, late}, {100, 500, false, late}}, []int64{300, 100}},
		{"both are used: by what they lack", 600, []claimant{{100, 300, true, late}, {100, 500, true, late}}, []int64{233, 366}},
		{"nobody is used: the last one keeps more", 600, []claimant{{100, 500, false, early}, {100, 500, false, late}}, []int64{100, 500}},
		{"one cannot do with less", 600, []claimant{{400, 400, false, late}, {100, 500, true, late}}, []int64{400, 200}},
		{"no more than what cannot be given", 150, []claimant{{100, 400, true, late}, {100, 500, true, late}}, []int64{100, 100}},
		{"alone", 300, []claimant{{100, 500, true, late}}, []int64{300}},
		{"nobody", 300, nil, []int64{}},
	} {
		if got := shareOut(tt.memory, tt.all); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// until waits until something is so of the models.
func (m *models) until(what func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !what() || m.sharing {
		changed := m.changed
		m.mu.Unlock()
		<-changed
		m.mu.Lock()
	}
}

// A model that made room for one which then cannot be loaded takes its memory back.
func TestRoomMadeInVain(t *testing.T) {
	data, err := os.ReadFile(otherPath)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.stm")
	if err := os.WriteFile(broken, data, 0o644); err != nil {
		t.Fatal(err)
	}
	c := start(t, Options{Models: []string{modelPath, broken}, Memory: 1 << 40, KeepAlive: -1})
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	m.total = m.base + b.Smallest + a.Needed
	j, err := c.begin(t.Context(), a.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.end()
	m.until(func() bool { return a.grant > 0 })
	before := a.grant
	if err := os.WriteFile(broken, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	b.load, b.most = &load{done: make(chan struct{})}, b.Needed // as if it were being loaded: it counts as used
	m.settle(b)
	made := a.grant
	b.load = nil
	m.mu.Unlock()
	if made >= before {
		t.Fatalf("the first model has %d, and %d after it made room", before, made)
	}
	if k, err := c.begin(t.Context(), b.Name, nil); err == nil {
		k.end()
		t.Fatal("half of a file is loaded")
	}
	m.until(func() bool { return a.grant == before })
}

// Models share one number: what they take follows who is used, and together it is never more; a model that leaves gives all of it back.
func TestModelsShareMemory(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}, Memory: 1 << 40, KeepAlive: -1})
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	for _, sv := range m.served {
		sv.lull = 0
	}
	spare := (b.Needed - b.Smallest) / 2
	m.total = m.base + a.Smallest + b.Smallest + spare
	extra := func(sv *served) int64 { return sv.grant - max(sv.least, sv.Smallest) }
	held := func(sv *served) int64 { return sv.model.Engine().MemoryUse().Experts }
	check := func(when string) {
		t.Helper()
		m.mu.Lock()
		defer m.mu.Unlock()
		sum := int64(0)
		for _, sv := range m.served {
			if sum += sv.grant; sv.model == nil {
				continue
			}
			if r := sv.model.Residency(runtime.Stats{}); r.MemoryNow > sv.grant+sv.besides {
				t.Errorf("%s, %s takes %d of %d", when, sv.Name, r.MemoryNow, sv.grant+sv.besides)
			}
		}
		if sum > m.total-m.base {
			t.Errorf("%s, the models may take %d of %d", when, sum, m.total-m.base)
		}
	}
	text := func(name string) string {
		t.Helper()
		return get[completion](t, c, "/v1/completions", `{"model": "`+name+`", "prompt": "Once", "max_tokens": 8, "seed": 3, "cache_prompt": false}`).Choices[0].Text
	}
	alone := text("tiny")
	all := held(a)
	other := text("other") // for which the first one makes room
	m.until(func() bool { return extra(b) > 4*extra(a) })
	check("with both")
	if small := held(a); small >= all {
		t.Errorf("the experts of the first model take %d, and %d beside another one", all, small)
	}
	if got := text("tiny"); got != alone {
		t.Errorf("with less memory it writes %q, and %q with more", got, alone)
	}
	m.until(func() bool { return extra(a) > 4*extra(b) })
	check("after the first one was used again")
	few := held(b)
	if got := text("other"); got != other {
		t.Errorf("with less memory it writes %q, and %q with more", got, other)
	}
	m.until(func() bool { return extra(b) > 4*extra(a) })
	check("after the second one was used again")
	if many := held(b); many <= few {
		t.Errorf("the experts of the second model take %d, and %d while it is used", few, many)
	}
	little := held(a)
	j, err := c.begin(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.begin(t.Context(), "other", new(time.Duration(0)))
	if err != nil {
		t.Fatal(err)
	}
	m.until(func() bool { return extra(a) > spare/16 && extra(b) > spare/16 })
	check("while both are used")
	k.end() // it leaves
	m.until(func() bool { return b.grant == 0 && a.grant == min(a.most, m.total-m.base) })
	check("after the second one has left")
	if got := held(a); got <= little || got < all {
		t.Errorf("alone its experts take %d, as much as %d before", got, all)
	}
	j.end()
}
