package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"st/convert"
	"st/convert/modeltest"
	"st/quant"
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
		{"room for all", 1000, []claimant{{100, 400, 400, true, late}, {100, 500, 500, false, late}}, []int64{400, 500}},
		{"one is idle", 600, []claimant{{100, 400, 400, true, late}, {100, 500, 500, false, late}}, []int64{400, 200}},
		{"one is idle, and there is not enough for the other", 400, []claimant{{100, 400, 400, true, late}, {100, 500, 500, false, late}}, []int64{300, 100}},
		{"both are used: by what they lack", 600, []claimant{{100, 300, 300, true, late}, {100, 500, 500, true, late}}, []int64{233, 366}},
		{"nobody is used: the last one keeps more", 600, []claimant{{100, 500, 500, false, early}, {100, 500, 500, false, late}}, []int64{100, 500}},
		{"one cannot do with less", 600, []claimant{{400, 400, 400, false, late}, {100, 500, 500, true, late}}, []int64{400, 200}},
		{"no more than what cannot be given", 150, []claimant{{100, 400, 400, true, late}, {100, 500, 500, true, late}}, []int64{100, 100}},
		{"first what is enough, for all", 600, []claimant{{100, 300, 900, true, late}, {100, 300, 400, false, late}}, []int64{300, 300}},
		{"then what can be used", 1000, []claimant{{100, 300, 900, true, late}, {100, 300, 400, false, late}}, []int64{700, 300}},
		{"more than all can use", 2000, []claimant{{100, 300, 900, true, late}, {100, 300, 400, false, late}}, []int64{900, 400}},
		{"one can never take what would be enough", 600, []claimant{{100, 900, 200, true, late}, {100, 300, 400, false, late}}, []int64{200, 400}},
		{"alone", 300, []claimant{{100, 500, 500, true, late}}, []int64{300}},
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

// setTotal sets what all models and the program may take, which may just be shared out.
func (m *models) setTotal(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total = bytes
}

// shrink sets what all models, which are loaded, and the program may take, and has them give back what is more.
func (m *models) shrink(bytes int64) {
	m.mu.Lock()
	m.total = bytes
	m.rebalance()
	m.mu.Unlock()
	m.until(func() bool { return granted(m.sharers(nil)) <= m.capacity() })
}

// A model that was loaded while it was the only one may take all memory. One that comes later has its room all the same, while the first one answers, and
// none of their requests lacks memory.
func TestLaterModelFindsRoom(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bound int64 // of the server
		dense bool  // the first model is
	}{{"within a bound", 1 << 40, false}, {"mapped", 0, false}, {"dense", 1 << 40, true}} {
		t.Run(tt.name, func(t *testing.T) {
			first := modelPath
			if tt.dense {
				first = denseModel(t)
			}
			c := start(t, Options{Models: []string{first}, Memory: tt.bound, KeepAlive: -1})
			m, a := c.models, c.models.served[0]
			b, err := m.inspect(otherPath)
			if err != nil {
				t.Fatal(err)
			}
			m.setTotal(m.common() + a.usable + b.usable + 64<<20)
			j, err := c.begin(t.Context(), a.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer j.end()
			if a.grant != m.capacity() {
				t.Fatalf("alone it gets %d of %d", a.grant, m.capacity())
			}
			m.mu.Lock()
			m.served = append(m.served, b)
			m.mu.Unlock()
			k, err := c.begin(t.Context(), b.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer k.end()
			m.until(func() bool { return true }) // nothing is shared out any more
			m.mu.Lock()
			if granted(m.sharers(nil)) > m.capacity() || a.grant < a.Needed || b.grant < b.Needed {
				t.Errorf("of %d, the first model has %d and needs %d, the second has %d and needs %d", m.capacity(), a.grant, a.Needed, b.grant, b.Needed)
			}
			m.mu.Unlock()
			fill(t, j, 2)
			fill(t, k, 2)
		})
	}
}

// denseModel writes a small model without experts.
func denseModel(t *testing.T) string {
	t.Helper()
	checkpoint, path := t.TempDir(), filepath.Join(t.TempDir(), "dense.stm")
	shape := modeltest.Shape{Arch: "qwen3", Layers: 2, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, DenseFFN: 96, Vocab: 200, Context: 2048}
	err := modeltest.New(shape, 1).Write(checkpoint)
	if err == nil {
		_, err = convert.Run(t.Context(), checkpoint, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fill runs n sequences of the whole context at the same time.
func fill(t *testing.T, j *job, n int) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := generateAll(t.Context(), j); err != nil {
				t.Errorf("%s: %v", j.name, err)
			}
		})
	}
	all.Wait()
}

// generateAll runs a sequence of the whole context.
func generateAll(ctx context.Context, j *job) error {
	q, err := j.model.NewSequence()
	if err != nil {
		return err
	}
	defer q.Close()
	prompt := make([]int32, j.model.Context()-8)
	for i := range prompt {
		prompt[i] = int32(i%100 + 1)
	}
	for _, err := range q.Generate(ctx, prompt, runtime.Generate{MaxTokens: 4, IgnoreEOS: true}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// startTwo serves two models with memory for both, and has a request of each.
func startTwo(t *testing.T, parallel int) (c *client, first, second *job) {
	t.Helper()
	c = start(t, Options{Models: []string{modelPath, otherPath}, Memory: 1 << 40, KeepAlive: -1, Parallel: parallel})
	c.models.holdBreath()
	var jobs [2]*job
	for i, sv := range c.models.served {
		var err error
		if jobs[i], err = c.begin(t.Context(), sv.Name, nil); err != nil {
			t.Fatal(err)
		}
	}
	return c, jobs[0], jobs[1]
}

// Sequences that grow beyond their model's share take what others, which are used too, can do without.
func TestSequencesTakeFromOthers(t *testing.T) {
	const parallel = 3
	c, j, k := startTwo(t, parallel+1)
	defer j.end()
	defer k.end()
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	kv := j.model.Engine().Budget().KV
	m.shrink(m.common() + max(a.Smallest, a.least) + max(b.Smallest, b.least) + parallel*kv*102/100 + growStep) // little enough that experts have to leave
	before := a.grant
	if room := j.model.Engine().MemoryUse().Experts - j.model.Engine().Budget().SmallestExperts; room > parallel*kv {
		t.Fatalf("there is room for the sequences in what the first model has: %d", room)
	}
	fill(t, j, parallel)
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.grant <= before || a.grant+b.grant > m.capacity() {
		t.Errorf("it had %d and has %d, and the other %d, of %d", before, a.grant, b.grant, m.capacity())
	}
}

// A sequence that grows waits for a model that is on its way out or in, whose memory cannot change before, and has an idle one leave: only then it ends for
// lack of memory.
func TestSequencesOutliveIdleModels(t *testing.T) {
	const parallel = 3
	c, j, k := startTwo(t, parallel+1)
	defer j.end()
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	k.end()
	m.shrink(m.common() + max(a.Smallest, a.least) + max(b.Smallest, b.least))
	m.mu.Lock()
	model := b.model
	b.model, b.leaving = nil, true // as if it were being unloaded
	m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fill(t, j, parallel)
	}()
	m.until(func() bool { return a.growing > 0 })
	m.mu.Lock()
	b.model, b.leaving = model, false
	m.change()
	m.mu.Unlock()
	<-done
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.model != nil || a.grant > m.capacity() {
		t.Errorf("the idle model is there: %t; the other has %d of %d", b.model != nil, a.grant, m.capacity())
	}
}

// A sequence that grows waits until another model is idle, which leaves. If that one's sequences wait for memory, too, it ends.
func TestSequencesOutliveBusyModels(t *testing.T) {
	const parallel = 3
	for _, stuck := range []bool{false, true} {
		t.Run(fmt.Sprintf("the other one waits, too: %t", stuck), func(t *testing.T) {
			c, j, k := startTwo(t, parallel+1)
			defer j.end()
			m, a, b := c.models, c.models.served[0], c.models.served[1]
			m.shrink(m.common() + max(a.Smallest, a.least) + max(b.Smallest, b.least))
			m.mu.Lock()
			a.growing += a.users // j is no request that runs
			if stuck {
				b.growing += b.users
			}
			m.mu.Unlock()
			done := make(chan error, parallel)
			for range parallel {
				go func() { done <- generateAll(t.Context(), j) }()
			}
			if !stuck {
				m.until(func() bool { return a.growing > a.users })
				k.end()
			}
			failed := 0
			for range parallel {
				if err := <-done; errors.Is(err, runtime.ErrMemory) {
					failed++
				} else if err != nil {
					t.Error(err)
				}
			}
			if failed > 0 != stuck {
				t.Errorf("%d of %d texts ended for lack of memory", failed, parallel)
			}
			if stuck {
				k.end()
			}
		})
	}
}

// A sequence that waits for memory ends when its client goes away, however long the models take that it waits for.
func TestGrowthEndsWithRequest(t *testing.T) {
	c, j, k := startTwo(t, 4)
	defer j.end()
	defer k.end()
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	m.shrink(m.common() + max(a.Smallest, a.least) + max(b.Smallest, b.least))
	m.mu.Lock()
	model := b.model
	b.model, b.leaving = nil, true // as if it were being unloaded, for ever
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		b.model, b.leaving = model, false
		m.mu.Unlock()
	}()
	ctx, goAway := context.WithCancel(t.Context())
	done := make(chan error, 3)
	for range cap(done) {
		go func() { done <- generateAll(ctx, j) }()
	}
	m.until(func() bool { return a.growing > 0 })
	goAway()
	for range cap(done) {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a text whose client went away ends with %v", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.growing > 0 {
		t.Errorf("%d sequences still wait", a.growing)
	}
}

// The end of a request takes nothing from another one's sequence that is about to grow.
func TestEndOfRequestLeavesGrowth(t *testing.T) {
	c := start(t, Options{KeepAlive: -1})
	m, a := c.models, c.models.served[0]
	j, err := c.begin(t.Context(), a.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.begin(t.Context(), a.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	held := func(growing int) int64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		a.growing = growing
		return a.held
	}
	m.mu.Lock()
	a.held = 1000
	m.mu.Unlock()
	held(1)
	k.end()
	if got := held(0); got != 1000 {
		t.Errorf("%d bytes are left for the sequence, not 1000", got)
	}
	j.end()
	if got := held(0); got != 0 {
		t.Errorf("%d bytes are held when no request runs", got)
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
	m.setTotal(m.common() + b.Smallest + a.Needed)
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
	m.holdBreath()
	for _, sv := range m.served {
		sv.lull = 0
	}
	spare := (b.Needed - b.Smallest) / 2
	m.setTotal(m.common() + a.Smallest + b.Smallest + spare)
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
			if r := sv.model.Residency(runtime.Stats{}); r.MemoryNow > sv.grant+m.common() {
				t.Errorf("%s, %s takes %d of %d", when, sv.Name, r.MemoryNow, sv.grant+m.common())
			}
		}
		if sum > m.capacity() {
			t.Errorf("%s, the models may take %d of %d", when, sum, m.capacity())
		}
	}
	text := func(name string) string {
		t.Helper()
		return get[completion](t, c, "/v1/completions", `{"model": "`+name+`", "prompt": "Once", "max_tokens": 8, "seed": 3, "cache_prompt": false}`).Choices[0].Text
	}
	alone := text("tiny")
	all := held(a)
	other := text("other") // for which the first one makes room
	m.until(func() bool { return extra(b) > 2*extra(a) })
	check("with both")
	if small := held(a); small >= all {
		t.Errorf("the experts of the first model take %d, and %d beside another one", all, small)
	}
	if got := text("tiny"); got != alone {
		t.Errorf("with less memory it writes %q, and %q with more", got, alone)
	}
	m.until(func() bool { return extra(a) > 2*extra(b) })
	check("after the first one was used again")
	few := held(b)
	if got := text("other"); got != other {
		t.Errorf("with less memory it writes %q, and %q with more", got, other)
	}
	m.until(func() bool { return extra(b) > 2*extra(a) })
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
	m.until(func() bool { return b.grant == 0 && a.grant == min(a.most, m.capacity()) })
	check("after the second one has left")
	if got := held(a); got <= little || got < all {
		t.Errorf("alone its experts take %d, as much as %d before", got, all)
	}
	j.end()
}
