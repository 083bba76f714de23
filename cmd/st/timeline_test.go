package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A timeline is JSON with the stages of all layers, and with reads where there is a budget. It replaces no file.
func TestTimeline(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		passes int
		budget bool
	}{
		{"generate", []string{"generate", tiny(t), "-p", "And", "-n", "6", "--threads", "2"}, 1, false},
		{"within a budget", []string{"generate", tiny(t), "-p", "And", "-n", "6", "--timeline-tokens", "100"}, 6, true},
		{"bench", []string{"bench", tiny(t), "--prompt", "5", "--gen", "4", "--repeat", "1", "--timeline-tokens", "3"}, 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "line.json")
			args := append(tt.args, "--timeline", path)
			if tt.budget {
				args = withSmallestMemory(t, args)
			} else {
				must(t, args...)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var line struct {
				TraceEvents []struct {
					Name, Cat, Ph string
					Ts, Dur       *float64
					Args          map[string]any
				}
			}
			if err := json.Unmarshal(text, &line); err != nil {
				t.Fatal(err)
			}
			seen, layers := map[string]int{}, map[any]bool{}
			for _, e := range line.TraceEvents {
				seen[e.Cat]++
				if e.Ph == "X" && (e.Ts == nil || e.Dur == nil || *e.Ts < 0 || *e.Dur < 0) {
					t.Errorf("event %+v", e)
				}
				if e.Cat == "stage" && e.Name == "experts" {
					layers[e.Args["layer"]] = true
				}
			}
			if seen["pass"] != tt.passes || seen["read"] > 0 != tt.budget || len(layers) != 6 {
				t.Errorf("%d passes, %d reads, layers %v; want %d passes", seen["pass"], seen["read"], layers, tt.passes)
			}
			if o := st(args...); o.code != exitFailure || !strings.Contains(o.stderr, "line.json exists: remove it") {
				t.Errorf("over a file that exists: exit code %d, %q", o.code, o.stderr)
			}
		})
	}
}

// needed is what an error says of a budget that is too small.
var needed = regexp.MustCompile(`this model needs (\d+MiB)`)

// withSmallestMemory runs a command with the smallest --memory that works, and returns its arguments. What the program takes besides the model grows
// from test to test, so it asks until the answer holds.
func withSmallestMemory(t *testing.T, args []string) []string {
	t.Helper()
	var o outcome
	for size, tries := "1MiB", 0; tries < 20; tries++ {
		all := append(slices.Clone(args), "--memory", size)
		if o = st(all...); o.code == exitOK {
			return all
		}
		found := needed.FindStringSubmatch(o.stderr)
		if found == nil {
			break
		}
		size = found[1]
	}
	t.Fatalf("%v: %+v", args, o)
	return nil
}

// Generating tells how computing and reading went together.
func TestReadingReport(t *testing.T) {
	r := mustJSON[generateReport](t, "generate", tiny(t), "-p", "And", "-n", "20", "--memory", "1GiB", "--json").Reading
	if r.Time <= 0 || r.Wait < 0 || r.Wait > r.Time || r.Busy < 0 || r.Busy > 1 || r.Reads > 0 != (r.Bytes > 0) {
		t.Errorf("reading is %+v", r)
	}
}
