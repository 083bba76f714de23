package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// well fails unless a picture is well-formed XML, and counts what is drawn as each class.
func well(t *testing.T, picture string) map[string]int {
	t.Helper()
	drawn := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return drawn
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			drawn[e.Attr[0].Value] = strings.Count(e.Attr[1].Value, "M")
		}
	}
}

// A token of 14 ms is drawn in two strips, and what goes over the end of the first is in both. A prompt's pass is no token.
func TestTimeline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token.json")
	text := `{"traceEvents":[
{"name":"pass","cat":"pass","ph":"X","ts":0,"dur":900,"tid":0,"args":{"tokens":32}},
{"name":"pass","cat":"pass","ph":"X","ts":1000,"dur":14000,"tid":0,"args":{"tokens":1}},
{"name":"router","cat":"stage","ph":"X","ts":1100,"dur":100,"tid":1,"args":{"layer":0}},
{"name":"work","cat":"work","ph":"X","ts":1100,"dur":100,"tid":1,"args":{"layer":0,"stage":"router"}},
{"name":"experts","cat":"work","ph":"X","ts":1300,"dur":400,"tid":2,"args":{"layer":0,"stage":"experts"}},
{"name":"wait for the disk","cat":"wait","ph":"X","ts":13000,"dur":1000,"tid":1,"args":{"layer":0}},
{"name":"layer 0 expert 3","cat":"read","ph":"X","ts":500,"dur":7500,"tid":1000,"args":{"layer":0,"expert":3,"bytes":2000000,"why":"wanted"}},
{"name":"layer 1 expert 3","cat":"read","ph":"X","ts":8000,"dur":900,"tid":1000,"args":{"layer":1,"expert":3,"bytes":0,"why":"expected","came":"wanted"}},
{"name":"layer 1 expert 4","cat":"read","ph":"X","ts":8000,"dur":900,"tid":1001,"args":{"layer":1,"expert":4,"bytes":0,"why":"expected","came":"in vain"}},
{"name":"reads in flight","ph":"C","ts":1500,"tid":0,"args":{"reads":1}}]}`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	picture, err := drawTimeline(file, "a <model>", 0)
	if err != nil {
		t.Fatal(err)
	}
	drawn := well(t, picture)
	for class, n := range map[string]int{"wait": 2, "experts": 1, "attend": 1, "wanted": 1, "late": 1, "vain": 1, "expected": 0} {
		legend := min(n, 1)
		if drawn[class] != n+legend {
			t.Errorf("%d shapes of class %s, want %d and the legend's", drawn[class], class, n)
		}
	}
	if want := "a &lt;model&gt;: a token of 14.0 ms; waiting for the disk 1.0 ms; the disk busy for 56 %, 3 reads, 2 MB"; !strings.Contains(picture, want) {
		t.Errorf("it does not say %q", want)
	}
	if _, err := drawTimeline(file, "", 2); err == nil || !strings.Contains(err.Error(), "it has 1 tokens") {
		t.Errorf("the second token: %v", err)
	}
}

// A name lies where no line crosses it, whether that rises, falls or turns at its point.
func TestLabel(t *testing.T) {
	r := box{10, 10, 20, 20}
	for _, tt := range []struct {
		a, b [2]float64
		want bool
	}{
		{[2]float64{0, 15}, [2]float64{30, 15}, true},
		{[2]float64{0, 0}, [2]float64{30, 30}, true},
		{[2]float64{12, 12}, [2]float64{14, 13}, true},
		{[2]float64{0, 25}, [2]float64{30, 25}, false},
		{[2]float64{0, 15}, [2]float64{5, 15}, false},
		{[2]float64{0, 12}, [2]float64{12, 0}, false}, // past the corner
	} {
		if r.crosses(tt.a, tt.b) != tt.want || r.crosses(tt.b, tt.a) != tt.want {
			t.Errorf("%v to %v crosses %+v: want %v", tt.a, tt.b, r, tt.want)
		}
	}
	for _, line := range [][][2]float64{
		{{0, 100}, {100, 100}, {200, 100}},
		{{0, 200}, {100, 100}, {200, 200}},
		{{0, 0}, {100, 100}, {200, 0}},
		{{0, 100}, {100, 100}, {105, 200}},
		{{0, 0}, {100, 100}, {105, 200}},
	} {
		p := &panel{canvas: &canvas{}}
		p.label(line, 1, "0.15")
		var x, y float64
		if _, err := fmt.Sscanf(p.body.String(), `<text class="ink" x="%g" y="%g"`, &x, &y); err != nil {
			t.Fatal(err)
		}
		if name := (box{x, y - 8, x + 26, y}); name.crosses(line[0], line[1]) || name.crosses(line[1], line[2]) {
			t.Errorf("%v: a line crosses the name at %+v", line, name)
		}
	}
}

func TestCurves(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, args ...any) {
		if err := os.WriteFile(filepath.Join(folder, name), fmt.Appendf(nil, text, args...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for s, kl := range map[float64]float64{0: 0, 0.15: 0.003, 0.4: 0.2} {
		write(fmt.Sprintf("eval-%g-1.json", s), `{"divergence":{"kl_mean":%g,"perplexity_ratio":1},"decode":{"expert_misses_per_token":%g}}`, kl, 9-s)
		for i, speed := range []float64{20, 40, 24} {
			write(fmt.Sprintf("bench-%g-%d.json", s, i+1), `{"gen_tokens_per_second":%g,"gen_reading":{"bytes_read_per_token":3e7,"wait_ms_per_token":9}}`, speed)
		}
	}
	points, err := readPoints(folder)
	if err != nil {
		t.Fatal(err)
	}
	if want := (point{s: 0.15, kl: 0.003, ratio: 1, missed: 8.85, speed: 24, read: 30, wait: 9}); len(points) != 3 || points[1] != want {
		t.Errorf("%+v, want %+v in the middle of three", points, want)
	}
	picture, err := drawCurves(folder, 0.0099)
	if err != nil {
		t.Fatal(err)
	}
	if drawn := well(t, picture); drawn["dot1"] != 3 || drawn["dot2"] != 3 || drawn["line2"] != 1 {
		t.Errorf("drawn: %v", drawn)
	}
	os.Remove(filepath.Join(folder, "bench-0-1.json"))
	os.Remove(filepath.Join(folder, "bench-0-2.json"))
	os.Remove(filepath.Join(folder, "bench-0-3.json"))
	if _, err := drawCurves(folder, 0); err == nil || !strings.Contains(err.Error(), "bench-0-") {
		t.Errorf("without a bench file: %v", err)
	}
}
