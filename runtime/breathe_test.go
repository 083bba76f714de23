package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"st/convert"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

const mib = 1 << 20

// looks is what the kernel says n times.
func looks(n int, p engine.Pressure) []engine.Pressure {
	all := make([]engine.Pressure, n)
	for i := range all {
		all[i] = p
	}
	return all
}

// free is what the kernel says if so many MiB are free of a GiB, and the process has so many itself.
func free(free, own int64) engine.Pressure {
	return engine.Pressure{Free: free * mib, Limit: 1024 * mib, Own: own * mib}
}

func TestBreathing(t *testing.T) {
	plenty := engine.Pressure{Free: 900 * mib, Limit: 1024 * mib}
	short := engine.Pressure{Free: 4 * mib, Limit: 1024 * mib} // 8 MiB are to be left
	group := engine.Pressure{Free: 100 * mib, Limit: 700 * mib, Group: 700 * mib}
	for _, tt := range []struct {
		name    string
		now     int64
		looks   []engine.Pressure
		stalled time.Duration // more of it at every look
		want    int64
	}{
		{"nothing is scarce", 1000 * mib, looks(50, plenty), 0, 1000 * mib},
		{"nothing is known", 1000 * mib, looks(50, engine.Pressure{}), 0, 1000 * mib},
		{"little is free: twice what is to be left", 1000 * mib, looks(1, short), 0, 988 * mib},
		{"it stays so", 1000 * mib, looks(3, short), 0, 964 * mib},
		{"others take memory, and there is enough", 1000 * mib, []engine.Pressure{free(900, 950), free(800, 950)}, 0, 1000 * mib},
		{"others will have taken all soon", 1000 * mib, []engine.Pressure{free(60, 950), free(40, 950)}, 0, 944 * mib},
		{"it is the model itself that grows", 1000 * mib, []engine.Pressure{free(60, 950), free(40, 970)}, 0, 1000 * mib},
		{"what it is still going to take is there", 1000 * mib, looks(3, free(360, 600)), 0, 1000 * mib},
		{"what it is still going to take is not there", 1000 * mib, looks(1, free(300, 600)), 0, 942 * mib},
		{"and once it does not take that, there is enough", 1000 * mib, looks(9, free(300, 600)), 0, 942 * mib},
		{"tasks wait: what it has not taken yet is given up, too", 1000 * mib, looks(1, engine.Pressure{Free: 900 * mib, Limit: 1024 * mib, Own: 600 * mib}), time.Second, 608 * mib},
		{"tasks wait, but little", 1000 * mib, looks(3, plenty), 24 * time.Millisecond, 1000 * mib},
		{"tasks wait: a sixteenth of what can be given back", 1000 * mib, looks(1, plenty), 26 * time.Millisecond, 950 * mib},
		{"for long: all that can be given back", 1000 * mib, looks(30, plenty), time.Second, 200 * mib},
		{"the group's limit is lowered", 1000 * mib, looks(1, group), 0, 700 * mib},
		{"below what the model needs", 1000 * mib, looks(1, engine.Pressure{Limit: 100 * mib, Group: 100 * mib}), 0, 200 * mib},
		{"calm, but not for long", 500 * mib, looks(39, plenty), 0, 500 * mib},
		{"calm: a step", 500 * mib, looks(40, plenty), 0, 550 * mib},
		{"calm for longer: a step a second", 500 * mib, looks(48, plenty), 0, 650 * mib},
		{"calm for long: as much as before", 500 * mib, looks(100, plenty), 0, 1000 * mib},
		{"up to the group's limit", 500 * mib, looks(100, group), 0, 700 * mib},
		{"no more than is free, but for what is to be left", 500 * mib, looks(40, engine.Pressure{Free: 50 * mib, Limit: 1024 * mib}), 0, 518 * mib},
		{"the calm begins anew", 1000 * mib, append(looks(1, short), looks(39, plenty)...), 0, 988 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := Breathing{least: 200 * mib, most: 1000 * mib, now: tt.now, last: tt.looks[0]}
			b.last.Stalled = 0
			for i, p := range tt.looks {
				p.Stalled = time.Duration(i+1) * tt.stalled
				b.Next(p, BreathInterval)
			}
			if b.now != tt.want {
				t.Errorf("%d MiB, want %d", b.now/mib, tt.want/mib)
			}
		})
	}
}

// A model gives memory back and takes it again while it writes, and writes the same.
func TestWatchMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	write := func(m *Model, each func(i int)) string {
		var text strings.Builder
		i := 0
		for piece, err := range m.Generate(t.Context(), "Once upon a time", Generate{MaxTokens: 60, Seed: new(uint64(7))}) {
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(piece.Text)
			each(i)
			i++
		}
		return text.String()
	}
	mapped, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	want := write(mapped, func(int) {})
	m, err := Open(t.Context(), path, Options{Memory: mapped.Memory().Needed + 64*mib})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.unwatch() // the machine that runs this may be short of memory
	m.unwatch = nil
	total := m.Residency(Stats{}).MemoryBudget
	var scarce atomic.Bool
	scarce.Store(true)
	ticks := make(chan time.Time)
	start := time.Now()
	stop := newBreath(m.engine).watch(func() engine.Pressure {
		if scarce.Load() {
			return engine.Pressure{Limit: 1 << 30, Group: 1}
		}
		return engine.Pressure{Free: 1 << 29, Limit: 1 << 30}
	}, ticks)
	defer stop()
	tick := func() { // what the one before led to is done
		start = start.Add(BreathInterval)
		ticks <- start
	}
	before := m.engine.MemoryUse().Experts
	var fewest, most int
	var least int64
	got := write(m, func(i int) {
		switch {
		case i == 10:
			tick()
			tick()
			fewest, least = inMemory(m), m.Residency(Stats{}).MemoryNow
			scarce.Store(false)
		case i > 20 && i < 50:
			for range 6 {
				tick()
			}
		case i == 59:
			most = inMemory(m)
		}
	})
	if got != want {
		t.Errorf("it writes %q, mapped %q", got, want)
	}
	b := m.engine.Budget()
	lent := int(b.Lent / (b.SmallestExperts / int64(2*m.Config().MoE.ExpertsPerToken))) // to experts, while single tokens are generated
	if least != b.SmallestShare() || fewest > 16+lent || most <= fewest || m.engine.MemoryUse().Experts != before+b.Lent {
		t.Errorf("%d bytes with %d experts, of %d; then %d experts, %d bytes of %d", least, fewest, total, most, m.engine.MemoryUse().Experts, before)
	}
}

// inMemory returns how many experts are in memory.
func inMemory(m *Model) (n int) {
	for _, in := range m.engine.Residents(nil) {
		if in {
			n++
		}
	}
	return n
}

// A model is closed while memory is given back that a disk, which has stalled, is reading into.
func TestCloseWhileMemoryIsGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	disk := &stallingFile{file: file, waits: make(chan struct{}), released: make(chan struct{})}
	defer close(disk.released)
	r, err := format.NewReader(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	needed := engine.NeededMemory(r, engine.Options{})
	m, err := New(t.Context(), r, Options{Memory: needed + 64*mib, Share: 1}) // the least at first: most experts are still to be read
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.unwatch() // the machine that runs this may be short of memory
	slots := int(m.engine.MemoryUse().Experts / (m.engine.Budget().SmallestExperts / int64(2*m.Config().MoE.ExpertsPerToken)))
	for range 20_000 {
		if inMemory(m) == slots {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := inMemory(m); n != slots {
		t.Fatalf("%d experts are in %d slots", n, slots)
	}
	disk.stalls.Store(true)
	if _, err := m.SetShare(t.Context(), needed+64*mib); err != nil {
		t.Fatal(err)
	}
	<-disk.waits // an expert is being read into it
	ticks := make(chan time.Time)
	m.unwatch = newBreath(m.engine).watch(func() engine.Pressure { return engine.Pressure{Limit: 1 << 30, Group: 1} }, ticks)
	ticks <- time.Now()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// stallingFile is a model file whose reads wait while it stalls, until released is closed. waits is closed when the first of them does.
type stallingFile struct {
	file     *os.File
	stalls   atomic.Bool
	first    sync.Once
	waits    chan struct{}
	released chan struct{}
}

func (f *stallingFile) Size() (int64, error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *stallingFile) Close() error { return f.file.Close() }

func (f *stallingFile) ReadAt(b []byte, at int64) (int, error) {
	if f.stalls.Load() {
		f.first.Do(func() { close(f.waits) })
		<-f.released
	}
	return f.file.ReadAt(b, at)
}
