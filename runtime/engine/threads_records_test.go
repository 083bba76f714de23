package engine

import (
	"encoding/binary"
	"testing"
)

func TestCountCores(t *testing.T) {
	// record is one as of a 64-bit Windows: with one group mask.
	record := func(relation uint32, class byte) []byte {
		b := make([]byte, 48)
		binary.LittleEndian.PutUint32(b, relation)
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		b[8], b[9] = 1, class // it has two threads
		b[30] = 1             // one group
		return b
	}
	join := func(records ...[]byte) (all []byte) {
		for _, r := range records {
			all = append(all, r...)
		}
		return all
	}
	core, efficient, fast := record(0, 0), record(0, 0), record(0, 1)
	for _, tt := range []struct {
		name    string
		records []byte
		want    int
	}{
		{"nothing", nil, 0},
		{"cores of one kind", join(core, core, core), 3},
		{"efficiency cores first", join(efficient, efficient, fast, fast, fast), 3},
		{"efficiency cores last", join(fast, fast, efficient, efficient, efficient, efficient), 2},
		{"one fast core", join(fast, efficient, efficient, efficient, efficient), 5},
		{"one core", core, 1},
		{"another relation", join(core, record(3, 9), core), 2},
		{"a record that is cut", join(core, core)[:80], 0},
		{"a record without a size", make([]byte, 48), 0},
	} {
		if got := countCores(tt.records); got != tt.want {
			t.Errorf("%s: %d cores, want %d", tt.name, got, tt.want)
		}
	}
}
