package calibration_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/calibration"
	"st/format"
)

// FuzzOpen: whatever the bytes, a calibration file is refused with one line that names it, or what it tells of a model that it fits are finite
// numbers of the model's shapes.
func FuzzOpen(f *testing.F) {
	for _, covariance := range []bool{false, true} {
		var file bytes.Buffer
		if err := seen(covariance).Write(&file); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
		f.Add(file.Bytes()[:file.Len()-3])
	}
	f.Add([]byte("\x40\x00\x00\x00\x00\x00\x00\x00" + `{"tokens":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     ` + "\x00\x00\x80\x3f"))
	f.Add([]byte("\x40\x00\x00\x00\x00\x00\x00\x00" + `{"tokens":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     ` + "\x00\x00\xc0\x7f"))
	path := filepath.Join(f.TempDir(), "stats.safetensors")
	c := config()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := calibration.Open(path)
		if err == nil {
			defer s.Close()
			err = s.Check(c)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("error %q", err)
			}
			return
		}
		if s.Tokens() < 0 {
			t.Errorf("%d tokens", s.Tokens())
		}
		check := func(values []float32, n int) {
			if len(values) != n {
				t.Errorf("%d values, want %d", len(values), n)
			}
			for _, v := range values {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("a value is %v", v)
				}
			}
		}
		for l := range c.Layers {
			check(s.Uses(l), c.MoE.Experts)
			for _, role := range []format.Role{format.RoleQuery, format.RoleGate} {
				p := calibration.PlaceOf(role, l, 0)
				check(s.Importance(p), c.Hidden)
				if !s.HasCovarianceOf(p.Name) {
					continue
				}
				if values, err := s.Covariance(p.Name); err == nil {
					check(values, c.Hidden*(c.Hidden+1)/2)
				}
			}
		}
		check(s.Importance(calibration.PlaceOf(format.RoleHead, -1, -1)), c.Hidden)
	})
}
