package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"st/cmd/internal/report/reporttest"
)

// A timeline is JSON with the stages of all layers, and with reads where there is a budget. It replaces no file unless told to.
func TestTimeline(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.stm") // its experts take more than the memory of two processes can differ by
	must(t, "convert", checkpoint, "-o", large, "--type", "f32", "--quiet")
	for _, tt := range []struct {
		name   string
		args   []string
		passes int // 0: some
		layers int
		budget string
	}{
		{"generate", []string{"generate", tiny(t), "-p", "And", "-n", "6", "--threads", "2"}, 1, 6, ""},
		{"within a budget", []string{"generate", large, "-p", "And", "-n", "6", "--timeline-tokens", "100"}, 6, 6, "uring"},
		{"within a budget, by threads", []string{"generate", large, "-p", "And", "-n", "6", "--timeline-tokens", "100"}, 6, 6, "threads"},
		{"bench", []string{"bench", tiny(t), "--prompt", "5", "--gen", "4", "--repeat", "1", "--timeline-tokens", "3"}, 3, 6, ""},
		{"several sequences", []string{"bench", large, "--prompt", "5", "--gen", "4", "--repeat", "1", "--parallel", "2", "--timeline-tokens", "100"}, 0, 6, "uring"},
		{"a dense model", []string{"bench", reporttest.Write(t, reporttest.Dense()), "--prompt", "5", "--gen", "4", "--repeat", "1", "--timeline-tokens", "2"}, 2, 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.budget == "threads" {
				t.Setenv("ST_IO", tt.budget)
			}
			path := filepath.Join(t.TempDir(), "line.json")
			args := append(tt.args, "--timeline", path)
			if tt.budget != "" {
				args = withSmallestMemory(t, args)
			} else {
				must(t, args...)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			seen, layers := map[string]int{}, map[any]bool{}
			for _, e := range traceEvents(t, text) {
				seen[e.Cat]++
				if e.Cat == "stage" && e.Args["layer"] != nil {
					layers[e.Args["layer"]] = true
				}
				if e.Cat == "read" && (e.Args["why"] == nil || e.Args["why"] == e.Args["came"]) {
					t.Errorf("a read is %+v", e)
				}
			}
			if tt.passes > 0 && seen["pass"] != tt.passes || seen["pass"] == 0 || seen["read"] > 0 != (tt.budget != "") || len(layers) != tt.layers {
				t.Errorf("%d passes, %d reads, layers %v; want %d passes of %d layers", seen["pass"], seen["read"], layers, tt.passes, tt.layers)
			}
			if o := st(args...); o.code != exitFailure || !strings.Contains(o.stderr, "line.json exists: use --force to replace it") {
				t.Errorf("over a file that exists: exit code %d, %q", o.code, o.stderr)
			}
		})
	}
}

// traceEvent is an event as viewers of the trace-event format want it.
type traceEvent struct {
	Name, Cat, Ph string
	Ts, Dur       *float64
	Pid, Tid      *int
	Args          map[string]any
}

func (e *traceEvent) end() float64 { return *e.Ts + *e.Dur }

// traceEvents reads a file of trace events. It fails the test unless all have a time and a track, they are in the order of time, and those of a track lie
// beside or within each other.
func traceEvents(t *testing.T, text []byte) []traceEvent {
	t.Helper()
	var file struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	const rounding = 1e-3 // µs
	last, open := 0., map[int][]traceEvent{}
	for _, e := range file.TraceEvents {
		if e.Name == "" || e.Ts == nil || e.Pid == nil || e.Tid == nil || *e.Ts < last || e.Ph != "X" && e.Ph != "C" && e.Ph != "M" {
			t.Fatalf("event %+v after %v µs", e, last)
		}
		if last = *e.Ts; e.Ph != "X" {
			continue
		}
		if e.Dur == nil || *e.Dur < 0 {
			t.Fatalf("event %+v has no duration", e)
		}
		outer := open[*e.Tid]
		for len(outer) > 0 && outer[len(outer)-1].end() <= *e.Ts+rounding {
			outer = outer[:len(outer)-1]
		}
		if n := len(outer); n > 0 && e.end() > outer[n-1].end()+rounding {
			t.Errorf("%s %s ends after %s %s, in which it begins", e.Cat, e.Name, outer[n-1].Cat, outer[n-1].Name)
		}
		open[*e.Tid] = append(outer, e)
	}
	return file.TraceEvents
}

// needed is what an error says of a budget that is too small.
var needed = regexp.MustCompile(`this model needs (\d+MiB)`)

// withSmallestMemory runs a command with the smallest --memory that works, and returns its arguments. It is a process of its own, because what the tests
// before took counts as the program's: given back meanwhile, it would be room for all experts. It asks until the answer holds, which differs a little.
func withSmallestMemory(t *testing.T, args []string) []string {
	t.Helper()
	var o outcome
	for size, tries := "1MiB", 0; tries < 20; tries++ {
		all := append(slices.Clone(args), "--memory", size)
		if o = stAlone(t, all...); o.code == exitOK {
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
