package engine_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"syscall"
	"testing"

	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// Of rows that share a pair of places the two that were used last are kept, as they were.
func TestKeptRows(t *testing.T) {
	k := engine.NewKeptRows(1e6, 100)
	n := int32(k.Pairs())
	row := func(id int32) []byte { return slices.Repeat(binary.LittleEndian.AppendUint32(nil, uint32(id)), 100) }
	for id := range 2 * n {
		k.Keep(id, row(id))
	}
	k.Row(5)
	k.Keep(5+2*n, row(5+2*n)) // in place of 5+n
	for id := range 3 * n {
		kept := id < 2*n && id != 5+n || id == 5+2*n
		if got := k.Row(id); kept && !slices.Equal(got, row(id)) || !kept && got != nil {
			t.Errorf("row %d: kept %t, %d bytes", id, got != nil, len(got))
		}
	}
	if few := engine.NewKeptRows(5, 8); few.Pairs() != 3 {
		t.Errorf("%d pairs for five rows", few.Pairs())
	}
	if large := engine.NewKeptRows(10, 1<<18); large.Row(0) != nil {
		t.Error("a row is kept for which there is no room")
	}
}

// A token's row that was read once is not read again, and one that could not be read is.
func TestRowsAreKept(t *testing.T) {
	f, r := openFaulty(t, write(t, variants["untied"], quant.Q4_0))
	e := stream(t, r, engine.Options{Threads: 1}, 1<<30)
	s := session(t, e)
	want := forward(t, s, 7, 8, 7)
	table, _, _ := r.Role(format.RoleEmbedding, -1)
	f.set(func(at int64, b []byte) (int, error, bool) {
		return 0, syscall.EIO, at+int64(len(b)) > table.Offset && at < table.Offset+table.Length
	})
	s.Truncate(0)
	if got := forward(t, s, 7, 8, 7); !slices.Equal(got, want) {
		t.Error("the same tokens give other logits")
	}
	s.Truncate(2)
	if _, err := s.Forward(t.Context(), []int32{9}); !errors.Is(err, syscall.EIO) {
		t.Errorf("a token whose row cannot be read: %v", err)
	}
	f.set(nil)
	if _, err := s.Forward(t.Context(), []int32{9}); err != nil {
		t.Errorf("that token, when it can: %v", err)
	}
}
