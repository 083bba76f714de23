package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/runtime/activity"
)

// activityOf runs a model over the beginning of the held-out text and returns the report, and the file it was written to.
func activityOf(t *testing.T, model string, bytes int, flags ...string) (*activity.Report, string) {
	t.Helper()
	args := append([]string{"inspect", model, "--run", "--text", heldout(t, bytes), "--json", "--quiet"}, flags...)
	path := filepath.Join(t.TempDir(), "report.json")
	text := must(t, args...)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := activity.ReadReport(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

func TestInspectRun(t *testing.T) {
	r, _ := activityOf(t, tiny(t), 8000, "--ctx", "256")
	if r.Shape != (activity.Shape{Layers: 6, Experts: 16, TopK: 4, Neurons: 64}) || r.Model != tiny(t) || r.Context != 256 ||
		r.Windows != (r.Tokens+255)/256 || r.Tokens < 2000 {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Layers {
		var frequency, weight float64
		for _, e := range l.Experts {
			frequency += e.Frequency
			weight += e.Frequency * e.MeanWeight
		}
		d := l.Density
		// A token has four experts, whose weights add up to 1.
		if math.Abs(frequency-4) > 1e-9 || math.Abs(weight-1) > 1e-5 || l.Entropy > l.MaxEntropy || l.MaxEntropy != 4 || len(l.Pairs) != 10 ||
			d.Min > d.Q25 || d.Q25 > d.Median || d.Median > d.Q75 || d.Q75 > d.Q95 || d.Q95 > d.Max || d.Max > 1 || d.Mean <= 0.1 ||
			l.HotSet.Uses50 > l.HotSet.Uses80 || l.HotSet.Uses80 > l.HotSet.Uses95 {
			t.Errorf("frequencies add up to %v, weights to %v: %+v", frequency, weight, l)
		}
	}
	// The trained model's experts are a matter of habit: the last layers keep them longest.
	if first, last := r.Layers[0], r.Layers[5]; last.Locality < last.LocalityByChance+0.05 || last.Locality < first.Locality {
		t.Errorf("locality %v and %v", first.Locality, last.Locality)
	}
}

// How a model runs does not change what its experts do.
func TestInspectRunFlags(t *testing.T) {
	want, _ := activityOf(t, tiny(t), 3000, "--threads", "1")
	for _, flags := range [][]string{{"--threads", "3"}, {"--memory", "1GiB"}} {
		got, _ := activityOf(t, tiny(t), 3000, flags...)
		got.Text = want.Text // a temporary file
		if !cmp.Equal(want, got, cmp.AllowUnexported(activity.Pair{})) {
			t.Errorf("%v changes the report", flags)
		}
	}
	if got, _ := activityOf(t, tiny(t), 3000, "--kv-type", "q8_0"); cmp.Equal(got.Density, want.Density) {
		t.Error("--kv-type changes nothing")
	}
}

// One token has none before it, and of most experts nothing is known.
func TestInspectRunShort(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "prompt: 1 token in 1 window of up to 512"},
		{nil, "12 of 96 experts have 50 %"},
		{[]string{"--layer", "3"}, "–"},
		{[]string{"--layer", "3"}, "kept       – of a token's experts"},
	} {
		if text := must(t, append([]string{"inspect", tiny(t), "--run", "-p", "a"}, tt.args...)...); !strings.Contains(text, tt.want) {
			t.Errorf("%v: no %q in\n%s", tt.args, tt.want, text)
		}
	}
	if o := stIn("a b c", "inspect", tiny(t), "--run", "-p", "-"); o.code != exitOK || !strings.Contains(o.stdout, "standard input: 3 tokens") {
		t.Errorf("%+v", o)
	}
	if o := st("inspect", tiny(t), "--run", "--text", heldout(t, 8000), "--ctx", "5000"); !strings.Contains(o.stderr, "windows of 1024 tokens") {
		t.Errorf("%+v", o)
	}
}

func TestInspectRunErrors(t *testing.T) {
	model, latin := tiny(t), filepath.Join(t.TempDir(), "latin1")
	if err := os.WriteFile(latin, []byte("caf\xe9"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"M --run", exitUsage, "a text is missing: --text FILE or -p PROMPT"},
		{"M --run -p x --text y", exitUsage, "not both"},
		{"M --run -p x --verify", exitUsage, "--run and --verify exclude each other"},
		{"M --run -p x --compare y", exitUsage, "exclude each other"},
		{"M --run -p x --json --layer 1", exitUsage, "leave out --layer"},
		{"M --text y", exitUsage, "--text is for --run"},
		{"M --memory 1GiB --layers", exitUsage, "--memory is for --run"},
		{"M --run -p x --ctx 1", exitUsage, "it must be 4 or more"},
		{"--run -p x", exitUsage, "argument MODEL is missing"},
		{"--compare a.json", exitUsage, "argument B.json is missing"},
		{"--compare a.json b.json --experts", exitUsage, "--compare and --experts exclude each other"},
		{"M --run --text nowhere", exitFailure, "open nowhere: no such file"},
		{"M --run --text " + latin, exitFailure, "is not a text"},
		{"M --run --text -", exitFailure, "the text is empty"},
		{"M --run -p x --layer 6", exitFailure, "has layers 0 to 5"},
		{"M --run -p x --memory 1MiB", exitFailure, "this model needs"},
		{"nowhere.stm --run -p x", exitFailure, "open nowhere.stm: no such file"},
	} {
		o := st(append([]string{"inspect"}, strings.Fields(strings.Replace(tt.args, "M", model, 1))...)...)
		if o.code != tt.code || o.stdout != "" || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st inspect %s: %+v, want %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := runContext(ctx, []string{"inspect", model, "--run", "-p", "To be"}, strings.NewReader(""), &stdout, &stderr); code != exitInterrupted ||
		stdout.Len() > 0 || stderr.String() != "st: interrupted\n" {
		t.Errorf("exit code %d, standard error %q", code, stderr.String())
	}
}

// Every field of the two reports is in the help.
func TestInspectRunHelp(t *testing.T) {
	_, path := activityOf(t, tiny(t), 1000)
	help := must(t, "inspect", "--help")
	for _, args := range [][]string{{"--run", tiny(t), "-p", "To be"}, {"--compare", path, path}} {
		report := must(t, append([]string{"inspect", "--json"}, args...)...)
		if !json.Valid([]byte(report)) {
			t.Error("this is no JSON")
		}
		for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(report, -1) {
			if !strings.Contains(help, m[1]) {
				t.Errorf("st inspect --help does not tell of %s", m[1])
			}
		}
	}
}
