package process

import (
	"testing"
	"time"
)

func TestKept(t *testing.T) {
	begin := time.Now()
	at := func(seconds, ran, waited, stolen float64) Processors {
		d := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
		return Processors{Ran: d(ran), Waited: d(waited), Stolen: d(stolen), at: begin.Add(d(seconds))}
	}
	for _, tt := range []struct {
		name     string
		from, to Processors
		want     float64
	}{
		{"alone", at(0, 1, 1, 1), at(1, 3, 1, 1), 0},
		{"another program has half of what it could have run", at(0, 1, 1, 1), at(1, 2, 2, 1), 0.5},
		{"the host keeps a quarter", at(0, 1, 1, 1), at(2, 4, 1, 1.5), 0.25},
		{"it hardly computes", at(0, 1, 1, 1), at(10, 1.5, 1.5, 1), 0.05},
		{"it did nothing", at(0, 1, 1, 1), at(0, 1, 1, 1), 0},
	} {
		if got := Kept(tt.from, tt.to); got != tt.want {
			t.Errorf("%s: %g, want %g", tt.name, got, tt.want)
		}
	}
}

// What a process computes counts.
func TestReadProcessors(t *testing.T) {
	before, ok := ReadProcessors()
	if !ok {
		t.Skip("the system does not tell")
	}
	for {
		after, ok := ReadProcessors()
		if !ok {
			t.Fatal("the system told, and does not any more")
		}
		if after.Ran > before.Ran {
			return
		}
	}
}
