package engine

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"st/format"
)

// The events of a timeline lie in the tracks of what they are about; reads at the same time lie beside each other.
func TestTimelineEvents(t *testing.T) {
	line := NewTimeline(1)
	at := func(us int) time.Time { return line.start.Add(time.Duration(us) * time.Microsecond) }
	line.add(timeSpan{kind: spanStage, begin: at(0), end: at(1)}) // before the first pass
	first := line.beginPass()
	line.add(timeSpan{kind: spanStage, layer: 7, n: int64(StageHead), begin: at(0), end: at(1)})
	line.endPass(first, 1)
	begin := line.beginPass() // now the first one is forgotten
	line.add(timeSpan{kind: spanStage, layer: 2, n: int64(StageExperts), begin: at(100), end: at(200)})
	line.add(timeSpan{kind: spanWork, thread: 1, layer: -1, begin: at(110), end: at(120)})
	line.add(timeSpan{kind: spanWork, thread: 0, layer: -1, begin: at(110), end: at(125)})
	line.add(timeSpan{kind: spanWait, layer: 2, begin: at(130), end: at(180)})
	line.add(timeSpan{kind: spanRead, layer: 2, expert: 3, n: 4096, why: "wanted", came: "wanted", begin: at(100), end: at(150)})
	line.add(timeSpan{kind: spanRead, layer: 2, expert: 4, n: 4096, why: "wanted", came: "wanted", begin: at(120), end: at(180)})
	line.add(timeSpan{kind: spanRead, layer: 3, expert: 5, n: 4096, why: "expected", came: "wanted", begin: at(160), end: at(190)})
	line.endPass(begin, 1)
	if n := line.Passes(); n != 1 {
		t.Errorf("%d passes are kept, want 1", n)
	}

	var out bytes.Buffer
	if err := line.Write(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		TraceEvents []struct {
			Name, Cat, Ph string
			Ts, Dur       float64
			Tid           int
			Args          map[string]any
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	type place struct {
		tid     int
		ts, dur float64
	}
	came := map[any]any{} // by why
	places, tracks, most := map[string]place{}, map[int]any{}, 0.0
	for _, e := range got.TraceEvents {
		switch e.Ph {
		case "X":
			places[e.Cat+" "+e.Name] = place{e.Tid, e.Ts, e.Dur}
			if e.Cat == "read" {
				came[e.Args["why"]] = e.Args["came"]
			}
		case "M":
			if e.Name == "thread_name" {
				tracks[e.Tid] = e.Args["name"]
			}
		case "C":
			most = max(most, e.Args["reads"].(float64))
		default:
			t.Errorf("event %+v", e)
		}
	}
	for name, want := range map[string]place{
		"stage experts":          {trackThreads, 100, 100},
		"work experts":           {trackThreads + 1, 110, 10},
		"work work":              {trackThreads, 110, 15},
		"wait wait for the disk": {trackThreads, 130, 50},
		"read layer 2 expert 3":  {trackReads, 100, 50},
		"read layer 2 expert 4":  {trackReads + 1, 120, 60},
		"read layer 3 expert 5":  {trackReads, 160, 30},
	} {
		if places[name] != want {
			t.Errorf("%s is at %+v, want %+v", name, places[name], want)
		}
	}
	if _, ok := places["stage head"]; ok || len(places) != 8 { // with the pass
		t.Errorf("places are %v", places)
	}
	if came["wanted"] != nil || came["expected"] != "wanted" {
		t.Errorf("by why reads came as %v", came)
	}
	if tracks[trackPasses] != "passes" || tracks[trackThreads+1] != "thread 1" || tracks[trackReads+1] != "read 2" || most != 2 {
		t.Errorf("tracks are %v, %v reads in flight at most", tracks, most)
	}
}

// A read tells why it began, and what its expert is when it has come.
func TestWhyRead(t *testing.T) {
	wanted, expected, neither := residence{wanted: true}, residence{expected: 3}, residence{}
	both := residence{wanted: true, expected: 3}
	for _, tt := range []struct {
		begun, ended residence
		why, came    string
	}{
		{wanted, wanted, readWanted, readWanted},
		{both, wanted, readWanted, readWanted},
		{expected, expected, readExpected, readExpected},
		{expected, both, readExpected, readWanted},
		{expected, neither, readExpected, readInVain},
		{wanted, neither, readWanted, readInVain},
		{neither, neither, readToFill, readToFill},
		{neither, wanted, readToFill, readWanted},
	} {
		if why, came := tt.begun.why(), tt.ended.cameAs(tt.begun.why()); why != tt.why || came != tt.came {
			t.Errorf("begun as %+v, ended as %+v: %q and %q, want %q and %q", tt.begun, tt.ended, why, came, tt.why, tt.came)
		}
	}
}

// Busy is the time with a read in flight, however many there are.
func TestDiskMeter(t *testing.T) {
	var m diskMeter
	if busy, total := m.read(); busy != 0 || total != 0 {
		t.Errorf("before the first read: %v, %v", busy, total)
	}
	m.begin(3)
	m.changed = m.changed.Add(-time.Hour) // they began an hour ago
	m.end(2)
	m.changed = m.changed.Add(-time.Hour)
	m.end(1)
	m.changed = m.changed.Add(-time.Hour) // idle
	busy, total := m.read()
	if busy.Round(time.Minute) != 2*time.Hour || total.Round(time.Minute) != 4*time.Hour {
		t.Errorf("busy for %v, reads took %v, want 2 and 4 hours", busy, total)
	}
}

// A nil timeline records nothing, nor do the counters of reads and waiting without one.
func TestNoTimeline(t *testing.T) {
	var line *Timeline
	line.endPass(line.beginPass(), 1)
	line.add(timeSpan{})
	var c counters
	c.endRead(c.beginRead(), &format.Record{}, 1, "", "")
	c.waited(0, time.Now())
}
