package activity

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReadReport: what is accepted is the same after it was written again, and can be compared; all numbers of the comparison can be
// written, so none is infinite.
func FuzzReadReport(f *testing.F) {
	r, err := collect().Report()
	if err != nil {
		f.Fatal(err)
	}
	r.Model, r.Text, r.Context = "m.stm", "a.txt", 8
	good, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, change := range [][2]string{
		{`"layers":[{"layer":0`, `"layers":[{"layer":7`}, {`"density"`, `"dense"`}, {`"tokens":4`, `"tokens":1099511627776`}, {`"top_k":2`, `"top_k":-1`},
		{`"neurons":10`, `"neurons":0`}, {`"experts":4`, `"experts":4611686018427387904`}, {`"uses":4`, `"uses":null`}, {`0.375`, `1e999`}, {`"pairs":[`, `"pairs":[[`},
	} {
		f.Add(bytes.Replace(good, []byte(change[0]), []byte(change[1]), -1))
	}
	f.Add([]byte(`{"report":"activity","version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadReport(bytes.NewReader(data))
		if err != nil {
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadReport(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if diff := cmp.Diff(r, again, about); diff != "" {
			t.Error(diff)
		}
		c, err := Compare(r, again)
		if err != nil {
			t.Fatal(err)
		}
		if c.Variation != 0 || c.Divergence != 0 || c.Overlap != (Overlap{1, 1, 1}) {
			t.Errorf("compared with itself: %+v", c)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}
