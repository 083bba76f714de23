package calibration_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert/calibration"
	"st/format"
)

func config() *format.Config {
	return &format.Config{Layers: 2, Hidden: 4, Heads: 1, HeadDim: 2, MoE: &format.MoE{Experts: 3, ExpertsPerToken: 1}}
}

func addScaled(y []float32, w *[4]float32, x *[4][]float32) {
	for k := range w {
		for i := range y {
			y[i] += w[k] * x[k][i]
		}
	}
}

// seen are the statistics of five tokens, whose inputs are token·(1, 2, 3, 4) everywhere.
func seen(covariance bool) *calibration.Statistics {
	var add calibration.AddScaled
	if covariance {
		add = addScaled
	}
	k := calibration.NewCollector(config(), add)
	for _, batch := range [][]float32{{1, 2, 3}, {4, 5}} {
		var x, out []float32
		for _, f := range batch {
			x, out = append(x, f, 2*f, 3*f, 4*f), append(out, f, 2*f)
		}
		for l := range 2 {
			k.AttentionInput(l, x)
			k.AttentionOutput(l, out)
			experts, weights := make([]int32, len(batch)), make([]float32, len(batch))
			for t := range experts {
				experts[t], weights[t] = int32(l), 0.5 // all choose one expert
			}
			k.ExpertInput(l, x, experts, weights)
		}
		k.HeadInput(x)
	}
	return k.Statistics()
}

const meanSquare = (1 + 4 + 9 + 16 + 25) / 5.

func near(t *testing.T, name string, got []float32, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", name, got, want)
		return
	}
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > 1e-4*math.Abs(want[i]) {
			t.Errorf("%s: %v, want %v", name, got, want)
			return
		}
	}
}

func TestStatistics(t *testing.T) {
	var file bytes.Buffer
	if err := seen(true).Write(&file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stats")
	if err := os.WriteFile(path, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := calibration.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(config()); err != nil {
		t.Error(err)
	}
	if s.Tokens() != 5 || !s.HasCovariance() || !slices.Equal(s.Uses(1), []float32{0, 5, 0}) {
		t.Errorf("%d tokens, covariance %t, uses %v", s.Tokens(), s.HasCovariance(), s.Uses(1))
	}
	m := meanSquare
	for _, p := range []calibration.Place{calibration.PlaceOf(format.RoleHead, -1, -1), calibration.PlaceOf(format.RoleEmbedding, -1, -1),
		calibration.PlaceOf(format.RoleQuery, 1, -1), calibration.PlaceOf(format.RoleGate, 0, 0)} {
		near(t, p.Name, s.Importance(p), m, 4*m, 9*m, 16*m)
	}
	// No token has reached expert 2, so it is taken for an average one.
	near(t, "expert 2", s.Importance(calibration.PlaceOf(format.RoleUp, 0, 2)), m, 4*m, 9*m, 16*m)
	for _, p := range []calibration.Place{calibration.PlaceOf(format.RoleDown, 0, 0), calibration.PlaceOf(format.RoleFinalNorm, -1, -1)} {
		if v := s.Importance(p); v != nil {
			t.Errorf("%+v: %v", p, v)
		}
	}
	c, err := s.Covariance(calibration.PlaceOf(format.RoleAttnOutput, 1, -1).Name)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "covariance", c, 5*m, 10*m, 20*m)
}

// The mean of a layer counts as much as 64 tokens of an expert.
func TestShrink(t *testing.T) {
	k := calibration.NewCollector(config(), nil)
	k.ExpertInput(0, []float32{1, 1, 1, 1}, []int32{0}, []float32{1})
	for range 64 {
		k.ExpertInput(0, []float32{3, 3, 3, 3}, []int32{1}, []float32{1})
	}
	mean := (1 + 64*9.) / 65
	s := k.Statistics()
	few, half := (1+64*mean)/65, (9+mean)/2
	near(t, "one token", s.Importance(calibration.PlaceOf(format.RoleGate, 0, 0)), few, few, few, few)
	near(t, "64 tokens", s.Importance(calibration.PlaceOf(format.RoleGate, 0, 1)), half, half, half, half)
}

func TestBadStatistics(t *testing.T) {
	var file bytes.Buffer
	if err := seen(true).Write(&file); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	other := config()
	other.Hidden = 8
	for _, tt := range []struct {
		name   string
		data   []byte
		config *format.Config
		want   string
	}{
		{"empty", nil, config(), "the file is empty"},
		{"cut short", good[:len(good)-40], config(), "stats"},
		{"something else", bytes.Replace(good, []byte(`"tokens"`), []byte(`"tokenz"`), 1), config(), "it is no calibration file"},
		{"another model's", good, other, "the calibration was made for another model"},
		{"not finite", append(slices.Clone(good[:len(good)-8]), 0, 0, 0x80, 0x7f, 0, 0, 0, 0), config(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stats")
			if err := os.WriteFile(path, tt.data, 0o666); err != nil {
				t.Fatal(err)
			}
			s, err := calibration.Open(path)
			if err == nil {
				defer s.Close()
				err = s.Check(tt.config)
			}
			if err == nil && tt.want == "" { // a covariance is read when it is asked for
				_, err = s.Covariance("lm_head.input")
				tt.want = "which no mean of squares is"
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "stats") {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
	s := seen(false)
	if _, err := s.Covariance("lm_head.input"); !errors.Is(err, calibration.ErrMissing) {
		t.Errorf("without covariances: %v", err)
	}
}

// A layer without experts has inputs of its own, and a down behind a dense activation has those that it was shown.
func TestDenseLayers(t *testing.T) {
	c := config()
	c.Activation, c.FFN = format.SiLU, 2
	c.MoE.ExpertFFN, c.MoE.Layout = 3, []bool{true, false}
	k := calibration.NewCollector(c, addScaled)
	k.ExpertInput(0, []float32{1, 2, 3, 4}, []int32{2}, []float32{0.5})
	for range 64 {
		k.DownInput(0, 2, []float32{1, 2, 3, 2, 4, 6}, []float32{1, 0.5}) // (1·1² + ¼·2²)/1.25 and so on
	}
	k.FFNInput(1, []float32{1, 2, 3, 4, 3, 2, 1, 0})
	k.DownInput(1, -1, []float32{1, 2, 3, 4}, nil)
	k.HeadInput([]float32{1, 2, 3, 4})
	var file bytes.Buffer
	if err := k.Statistics().Write(&file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stats")
	if err := os.WriteFile(path, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := calibration.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(c); err != nil {
		t.Fatal(err)
	}
	near(t, "down of the only expert that was used", s.Importance(calibration.PlaceOf(format.RoleDown, 0, 2)), 1.6, 6.4, 14.4)
	near(t, "down of another", s.Importance(calibration.PlaceOf(format.RoleDown, 0, 1)), 1.6, 6.4, 14.4)
	near(t, "gate of layer 1", s.Importance(calibration.PlaceOf(format.RoleGate, 1, -1)), 5, 4, 5, 8)
	near(t, "down of layer 1", s.Importance(calibration.PlaceOf(format.RoleDown, 1, -1)), 5, 10)
	for place, covariance := range map[calibration.Place][]float64{
		calibration.PlaceOf(format.RoleDown, 1, -1): {1 + 9, 2 + 12, 4 + 16},
		calibration.PlaceOf(format.RoleUp, 0, 1):    {1, 2, 3, 4, 4, 6, 8, 9, 12, 16},
	} {
		got, err := s.Covariance(place.Name)
		if err != nil {
			t.Error(err)
		}
		near(t, place.Name, got, covariance...)
	}
	if s.HasCovarianceOf(calibration.PlaceOf(format.RoleDown, 0, 2).Name) {
		t.Error("there is a covariance of an expert's down")
	}
	c.MoE.Layout = nil
	if err := s.Check(c); !errors.Is(err, calibration.ErrMissing) || !errors.Is(err, calibration.ErrOtherModel) {
		t.Errorf("a model with experts everywhere: %v", err)
	}
}

// Parts have, together, what is collected at once, to the bit.
func TestParts(t *testing.T) {
	c := &format.Config{Layers: 3, Hidden: 4, Heads: 1, HeadDim: 2, FFN: 6, Activation: format.SiLU}
	show := func(k *calibration.Collector) *calibration.Statistics {
		for l := range 3 {
			x := []float32{1, 2, 3, float32(l), 5, 6, 7, 8}
			k.AttentionInput(l, x)
			k.AttentionOutput(l, x[:4])
			k.FFNInput(l, x)
			k.DownInput(l, -1, append(x, x[:4]...), nil)
		}
		k.HeadInput([]float32{1, 2, 3, 4, 4, 3, 2, 1})
		return k.Statistics()
	}
	dir := t.TempDir()
	write := func(name string, s *calibration.Statistics) string {
		var file bytes.Buffer
		if err := s.Write(&file); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := calibration.Open(write("whole", show(calibration.NewCollector(c, addScaled))))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	all := calibration.CollectorBytes(c, true)
	for memory, want := range map[int64]int{all: 1, all - 1: 2, 0: 4} {
		parts := calibration.Parts(c, memory)
		if len(parts) != want {
			t.Errorf("with %d of %d bytes: %+v, want %d parts", memory, all, parts, want)
		}
		var paths []string
		for i, p := range parts {
			if bytes := p.Bytes(c); want < 4 && bytes > memory {
				t.Errorf("%+v takes %d bytes of %d", p, bytes, memory)
			}
			paths = append(paths, write(string(rune('a'+i)), show(calibration.NewPartCollector(c, p, addScaled))))
		}
		s, err := calibration.Open(paths...)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Check(c); err != nil {
			t.Fatal(err)
		}
		for l := range 3 {
			for _, role := range []format.Role{format.RoleQuery, format.RoleAttnOutput, format.RoleUp, format.RoleDown, format.RoleHead} {
				place := calibration.PlaceOf(role, l, -1)
				got, err := s.Covariance(place.Name)
				if err != nil {
					t.Fatal(err)
				}
				if want, err := whole.Covariance(place.Name); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v, %v", place.Name, got, want, err)
				}
			}
		}
		if want > 1 {
			if _, err := calibration.Open(paths[0], paths[0]); !errors.Is(err, calibration.ErrOtherPart) {
				t.Errorf("a part twice: %v", err)
			}
			incomplete, err := calibration.Open(paths[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			defer incomplete.Close()
			if err := incomplete.Check(c); !errors.Is(err, calibration.ErrMissing) {
				t.Errorf("a part is missing: %v", err)
			}
		}
	}
	// Parts of two runs.
	parts := calibration.Parts(c, 0)
	k := calibration.NewPartCollector(c, parts[1], addScaled)
	k.HeadInput([]float32{1, 2, 3, 4})
	if _, err := calibration.Open(write("a", show(calibration.NewPartCollector(c, parts[0], addScaled))), write("b", k.Statistics())); !errors.Is(err, calibration.ErrOtherPart) {
		t.Errorf("parts of two runs: %v", err)
	}
}
