package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"st/cmd/internal/report"
	"st/runtime/bench"
	"st/runtime/eval"
)

const checkpoint = "../../testdata/tiny-smallthinker"

// outcome is what a command line did.
type outcome struct {
	code           int
	stdout, stderr string
}

// st runs a command line with nothing on standard input.
func st(args ...string) outcome { return stIn("", args...) }

func stIn(stdin string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(stdin), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// stAlone is st in a process of its own, which takes as much memory as one that a user starts.
func stAlone(t *testing.T, args ...string) outcome {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), asProgram+"=1"), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command line that has to succeed, and returns its standard output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	o := st(args...)
	if o.code != exitOK {
		t.Fatalf("st %s: exit code %d: %s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o.stdout
}

// mustJSON is must for commands that print one JSON object, which it decodes strictly.
func mustJSON[T any](t *testing.T, args ...string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(must(t, args...)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("st %s: %v", strings.Join(args, " "), err)
	}
	if d.More() {
		t.Fatalf("st %s: more than one JSON value", strings.Join(args, " "))
	}
	return v
}

var shared struct {
	once sync.Once
	dir  string
	err  error
}

// tiny returns the trained model of testdata in Q4_0, which is converted once.
func tiny(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "st-test-"); shared.err != nil {
			return
		}
		if o := st("convert", checkpoint, "-o", filepath.Join(shared.dir, "tiny.stm")); o.code != exitOK {
			shared.err = errors.New(o.stderr)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return filepath.Join(shared.dir, "tiny.stm")
}

// asProgram makes the test binary st itself, for tests that run it as a process of its own.
const asProgram = "ST_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Setenv("ST_MODELS", filepath.Join(os.TempDir(), "st-test-no-models")) // not those of who runs the tests
	os.Setenv(rememberVariable, "off")                                       // nor what one test has run
	code := m.Run()
	os.RemoveAll(shared.dir)
	os.Exit(code)
}

func TestWrongUsage(t *testing.T) {
	for _, tt := range []struct {
		args, want string // want is part of the message
		help       string // the command whose help is recommended
	}{
		{"frobnicate", `unknown command "frobnicate"`, "st"},
		{"genrate --help", `unknown command "genrate": did you mean generate?`, "st"},
		{"completion frobnicate -h", "unknown command", "st completion"},
		{"convrt", "did you mean convert?", "st"},
		{"ps", `unknown command "ps": GET /api/ps of st serve tells`, "st"},
		{"stop small", `unknown command "stop": Ctrl-C ends st run and st serve`, "st"},
		{"ps --help", `unknown command "ps": GET /api/ps of st serve tells`, "st"},
		{"chat small.stm", "did you mean run?", "st"},
		{"run x --temperature 1", "unknown flag: --temperature: did you mean --temp?", "st run"},
		{"perplexity small.stm", "did you mean eval?", "st"},
		{"create small", "did you mean convert?", "st"},
		{"quantize x -o y", "the output is the argument after the model", "st quantize"},
		{"run -m x", "a model is an argument", "st run"},
		{"--model x", "a model is an argument, as in st run small.stm", "st"},
		{"run x -p y", "the prompt is the argument after the model", "st run"},
		{"run x -c 512", "did you mean --ctx?", "st run"},
		{"serve --host 0.0.0.0", "did you mean --addr?", "st serve"},
		{"bench x --host 0.0.0.0", "unknown flag: --host", "st bench"},
		{"--frobnicate", "unknown flag: --frobnicate", "st"},
		{"help frobnicate", `unknown command "frobnicate"`, "st help"},
		{"completion frobnicate", "unknown command", "st completion"},
		{"version now", `unexpected argument "now"`, "st version"},
		{"convert", "argument SRC is missing", "st convert"},
		{"convert SRC", "-o model.stm", "st convert"},
		{"convert SRC -o x extra", `unexpected argument "extra"`, "st convert"},
		{"convert SRC x.stm", `unexpected argument "x.stm": the output is given with -o`, "st convert"},
		{"export x.stm x.gguf", "the output is given with -o", "st export"},
		{"quantize a.stm b.stm Q4_0", `unexpected argument "Q4_0": the type is given with --type`, "st quantize"},
		{"quantize a.stm b.stm c.stm", `unexpected argument "c.stm"`, "st quantize"},
		{"generate x Once", `unexpected argument "Once": the prompt is given with -p`, "st generate"},
		{"generate x -p Once upon", `unexpected argument "upon": a prompt of several words stands in quotes`, "st generate"},
		{"run x Why is", `unexpected argument "is": a prompt of several words stands in quotes`, "st run"},
		{"eval x text", "the text is given with --text", "st eval"},
		{"logits x 1,2", "the token ids are given with --tokens", "st logits"},
		{"bench x -p 128 -n 64", "did you mean --prompt?", "st bench"},
		{"bench x -n 64", "did you mean --gen?", "st bench"},
		{"bench x --n-depth 64", "did you mean --depth?", "st bench"},
		{"convert SRC -o x --type q5_k", "choose one of", "st convert"},
		{"convert SRC -o x --threads -1", "it must be 0 to 1024", "st convert"},
		{"convert SRC -o x --threads two", "it must be a whole number", "st convert"},
		{"inspect", "argument MODEL is missing", "st inspect"},
		{"inspect x --layer 1", "give one of them", "st inspect"},
		{"inspect x --experts --layer -1", "0 to", "st inspect"},
		{"generate", "argument MODEL is missing", "st generate"},
		{"generate x -p y -n -5", "it must be -1 or more", "st generate"},
		{"generate x -p y --top-p 7", "it must be 0 to 1", "st generate"},
		{"generate x -p y --min-p -0.1", "it must be 0 to 1", "st generate"},
		{"generate x -p y --temp -1", "it must be 0 or more", "st generate"},
		{"generate x -p y --temp NaN", "it must be a number", "st generate"},
		{"generate x -p y --temp inf", "it must be finite", "st generate"},
		{"generate x -p y --temp 1e400", "it must be finite", "st generate"},
		{"generate x -p y --temp 1e39", "it must be at most 3.402823466e+38", "st generate"},
		{"generate x -p y --top-p inf", "it must be 0 to 1", "st generate"},
		{"generate x -p y --ctx 99999999999999999999", "it must be at most 2147483647", "st generate"},
		{"generate x -p y --repeat-penalty 0", "it must be more than 0; 1 is off", "st generate"},
		{"generate x -p y --repeat-penalty none", "it must be a number", "st generate"},
		{"generate x -p y --temp hot", "it must be a number", "st generate"},
		{"generate x -p y --top-k -2", "it must be -1 or more", "st generate"},
		{"generate x -p y --seed -2", "seed", "st generate"},
		{"generate x -p y --ctx -1", "it must be 0 or more", "st generate"},
		{"generate x -p y --kv-type q4_0", "choose one of f16, f32, q8_0", "st generate"},
		{"generate x -p y --stop=", "--stop needs a text", "st generate"},
		{"generate x -p y -f z", "not both", "st generate"},
		{"generate x -p y --system z", "--system needs --chat", "st generate"},
		{"logits x", "token ids are missing", "st logits"},
		{"logits x --tokens 1,b -o y", `"b" is not a token id`, "st logits"},
		{"logits x --tokens -1 -o y", `"-1" is not a token id`, "st logits"},
		{"logits x --tokens 1", "an output file is missing", "st logits"},
		{"logits x --tokens 1 -o y --trace ./y", "-o and --trace name the same file", "st logits"},
		{"bench", "argument MODEL is missing", "st bench"},
		{"bench x --prompt 0", "needs a token to go on from", "st bench"},
		{"bench x --repeat 0", "it must be 1 or more", "st bench"},
		{"bench --bandwidth --memory 1GiB", "--memory needs a model", "st bench"},
		{"bench --bandwidth --profile", "--profile needs a model", "st bench"},
		{"bench x --trace=", "it must name a file", "st bench"},
		{"inspect x --cache-plan --trace=", "it must name a file", "st inspect"},
		{"eval x", "a text is missing", "st eval"},
		{"eval x --text y --ctx 1", "it must be 4 or more", "st eval"},
		{"eval x --text y --force", "--force is for --save-logits", "st eval"},
		{"list --sessions --published", "give one of them", "st list"},
		{"rm --session", "argument NAME is missing", "st rm"},
		{"tokenize", "argument MODEL is missing", "st tokenize"},
		{"tokenize x y z", `unexpected argument "z": a text of several words stands in quotes`, "st tokenize"},
		{"demo now", `unexpected argument "now"`, "st demo"},
	} {
		o := st(strings.Fields(tt.args)...)
		lines := strings.Split(o.stderr, "\n")
		if o.code != exitUsage || o.stdout != "" || len(lines) != 3 || !strings.HasPrefix(lines[0], "st: ") ||
			!strings.Contains(lines[0], tt.want) || lines[1] != fmt.Sprintf("run '%s --help' for usage", tt.help) {
			t.Errorf("st %s: exit code %d, standard output %q, standard error\n%s", tt.args, o.code, o.stdout, o.stderr)
		}
	}
}

// What is wrong although every flag and argument by itself is right.
func TestWrongTogether(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", ""}, "argument MODEL is empty"},
		{[]string{"serve", tiny(t), ""}, "argument MODEL is empty"},
		{[]string{"rm", ""}, "argument NAME is empty"},
		{[]string{"run", tiny(t), "x", "--session", ""}, "--session \"\": a name has letters"},
		{[]string{"generate", tiny(t), "-f", ""}, "--file needs a name"},
		{[]string{"run", "", "x"}, "argument MODEL is empty"},
		{[]string{"generate", "", "-p", "x"}, "argument MODEL is empty"},
		{[]string{"convert", "", "-o", "x"}, "argument SRC is empty"},
		{[]string{"cp", tiny(t), ""}, "argument DESTINATION is empty"},
		{[]string{"run", "Why is the sky blue?"}, "the model comes first, then the prompt"},
		{[]string{"generate", tiny(t), "-p", "x", "--timeline-tokens", "3"}, "--timeline-tokens needs a --timeline FILE"},
	} {
		if o := st(tt.args...); o.code != exitUsage || o.stdout != "" || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st %s: %+v", strings.Join(tt.args, " "), o)
		}
	}
}

// At a terminal, a command whose prompt is missing says how that command is given one.
func TestPromptMissing(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"run x.stm --json", "a prompt is missing: give PROMPT after the model, or pipe one in"},
		{"generate x.stm --chat --json", "a prompt is missing: give -p PROMPT or -f FILE, or pipe one in"},
		{"generate x.stm", "a prompt is missing: give -p PROMPT or -f FILE, or pipe one in; --chat starts a conversation"},
	} {
		a, _, _ := testApp()
		a.inTerminal, a.outTerminal = true, true
		cmd, err := a.execute(t.Context(), strings.Fields(tt.args))
		if code := a.exitCode(t.Context(), cmd, err); code != exitUsage || err.Error() != tt.want {
			t.Errorf("st %s: exit code %d, %v, want %q", tt.args, code, err, tt.want)
		}
	}
}

func TestFailures(t *testing.T) {
	model := tiny(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(checkpoint, "model-00001-of-00002.safetensors")
	gguf := filepath.Join(t.TempDir(), "x.gguf")
	must(t, "export", model, "-o", gguf)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", gguf, "x"}, "x.gguf: not an .stm model file but a GGUF file: st convert FILE.gguf -o FILE.stm"},
		{[]string{"serve", gguf}, "st convert FILE.gguf"},
		{[]string{"convert", "nowhere", "-o", filepath.Join(dir, "x")}, "open nowhere: no such file"},
		{[]string{"convert", checkpoint, "-o", filepath.Join(dir, "no", "x")}, "no such file"},
		{[]string{"convert", checkpoint, "-o", text}, "exists: use --force"},
		{[]string{"convert", checkpoint, "-o", dir, "--force"}, "is a directory"},
		{[]string{"convert", checkpoint, "-o", weights, "--force"}, "is an input too: choose another output"},
		{[]string{"inspect", "nowhere.stm"}, "open nowhere.stm: no such file"},
		{[]string{"inspect", model, "--layers", "--layer", "6"}, "layers 0 to 5"},
		{[]string{"generate", checkpoint, "-p", "x"}, "st convert makes one"},
		{[]string{"generate", weights, "-p", "x"}, "make one with st convert"},
		{[]string{"generate", model, "-f", "nowhere"}, "open nowhere: no such file"},
		{[]string{"generate", model, "-p", "one two three four", "--ctx", "3"}, "tokens and the context 3: shorten it or give a larger --ctx"},
		{[]string{"logits", model, "--tokens", "4096", "-o", filepath.Join(dir, "x")}, "ids 0 to 4095"},
		{[]string{"logits", model, "--tokens", "1", "-o", text}, "exists: use --force"},
		{[]string{"logits", model, "--tokens", "1", "-o", model, "--force"}, "is an input"},
		{[]string{"logits", model, "--tokens", "1", "-o", dir, "--force"}, "is a directory"},
		{[]string{"eval", model, "--text", text}, "the text has only 1 token"},
		{[]string{"eval", model, "--text", "nowhere"}, "no such file"},
		{[]string{"tokenize", model, "--decode", "1 4096"}, "ids 0 to 4095"},
		{[]string{"tokenize", model, "--decode", "1 x"}, "not a token id"},
		{[]string{"tokenize", dir, "x"}, "there is neither tokenizer.json nor vocab.json with merges.txt"},
	} {
		o := st(tt.args...)
		if o.code != exitFailure || o.stdout != "" || !strings.HasPrefix(o.stderr, "st: ") || strings.Count(o.stderr, "\n") != 1 ||
			!strings.Contains(o.stderr, tt.want) {
			t.Errorf("st %s: exit code %d, standard output %q, standard error\n%s", strings.Join(tt.args, " "), o.code, o.stdout, o.stderr)
		}
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("failures left %v", names)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Every field that --json prints is in the command's help.
func TestHelpListsFields(t *testing.T) {
	for command, printed := range map[string]any{
		"convert":   convertReport{Fallbacks: []fallbackReport{{}}},
		"quantize":  convertReport{Fallbacks: []fallbackReport{{}}, Report: &lossReport{Classes: []lossRow{{}}}},
		"calibrate": calibrateReport{},
		"generate":  generateReport{},
		"run":       generateReport{},
		"bench":     bench.Report{Bandwidth: &bench.Bandwidth{Speeds: []bench.Speed{{}}}, Profile: []bench.Stage{{}}},
		"diff": report.Diff{Meta: []report.MetaDiff{{}}, Classes: []report.ClassDiff{{Values: &report.ValueDiff{}}}, Tensors: []report.TensorDiff{
			{OnlyIn: "a", ShapeA: []int{1}, ShapeB: []int{1}, TypeA: "f32", TypeB: "f32", LayoutA: "rows", LayoutB: "rows", BytesA: 1, BytesB: 1}}},
		"list":   listReport{Models: []listedModel{{Brief: &report.Brief{}, Error: "x", Done: 1, Total: 1}}},
		"list ":  report.Published{Models: []report.PublishedModel{{Types: []report.Expectation{{}}}}},
		"list  ": sessionsReport{Sessions: []listedSession{{Model: "a", KVType: "f16", Error: "x"}}},
		"eval":   eval.Report{Divergence: &eval.Divergence{}},
		"inspect": report.File{
			Types: []report.TypeSize{{}}, Sizes: []report.ClassSize{{}}, KVCache: []report.KVCache{{Q8: 1}},
			Tokenizer: &report.Tokenizer{Special: []report.SpecialToken{{}}},
			Memory:    &report.Memory{Budgets: []report.Budget{{}}}, Token: report.TokenReads{Parts: []report.ClassBytes{{}}},
			Tensors: []report.Tensor{{}}, Verify: &report.Verification{},
			Layers: []report.Layer{{FFNBytes: 1, FFNTypes: []string{"f32"},
				Statistics: &report.LayerStatistics{Matrices: map[string]report.TensorStatistics{"matrices": {}}, Alike: []report.AlikePair{{}}}}},
			Experts: []report.Expert{{Statistics: &report.ExpertStatistics{Nearest: &report.NearestExpert{}}}},
		},
	} {
		help := must(t, strings.TrimSpace(command), "--help")
		text, err := json.Marshal(printed)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, "architecture") // described as a whole
		delete(fields, "provenance")
		var check func(v any)
		check = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, value := range v {
					if !strings.Contains(help, name) {
						t.Errorf("st %s --help does not tell of %s", command, name)
					}
					check(value)
				}
			case []any:
				for _, value := range v {
					check(value)
				}
			}
		}
		check(fields)
	}
}

// What commands have in common is told of each as it is there.
func TestHelpOfRecipes(t *testing.T) {
	for command, want := range map[string]string{
		"convert":  "Gemma 3n, Phi-3 or Phi-4 model",
		"pull":     "model_lm_head.pt beside the weights",
		"quantize": "The predictor of the head, which --sparse-head needs, stays in the file",
	} {
		help := must(t, command, "--help")
		if !strings.Contains(help, want) || strings.Contains(help, "model_lm_head.pt") != (command != "quantize") {
			t.Errorf("st %s --help:\n%s", command, help)
		}
	}
}

func TestVersion(t *testing.T) {
	if got := must(t, "version"); !strings.HasPrefix(got, "st ") || strings.Count(got, "\n") != 1 {
		t.Errorf("st version prints %q", got)
	}
	if got := must(t, "--version"); got != "st "+version()+"\n" {
		t.Errorf("st --version prints %q", got)
	}
}

// What an error or a note quotes from a file is shown, and not obeyed by a terminal.
func TestMessagesAreVisible(t *testing.T) {
	a, _, stderr := testApp()
	a.fail(errors.New("tensor \x1b]0;title\x07: bad"))
	a.note("note: %s\nsecond line", "\x1b[2J")
	if want := "st: tensor ^[]0;title^G: bad\nnote: ^[[2J\nsecond line\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr, want)
	}
}

// panicWriter panics with a value.
type panicWriter struct{ value any }

func (p panicWriter) Write([]byte) (int, error) { panic(p.value) }

// A panic is told in one line, and then where it was: also where on another goroutine, if its value says.
func TestPanic(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{errors.New("index out of range"), "st: internal error: index out of range\n\ngoroutine "},
		{"a task\n\ngoroutine 7 [running]:\nst/runtime/engine\n", "st: internal error: a task\n\ngoroutine 7 [running]:\nst/runtime/engine\n\ngoroutine "},
	} {
		var stderr bytes.Buffer
		code := run([]string{"version"}, strings.NewReader(""), panicWriter{tt.value}, &stderr)
		if code != exitFailure || !strings.HasPrefix(stderr.String(), tt.want) || !strings.Contains(stderr.String(), "panicWriter.Write") {
			t.Errorf("exit code %d, standard error\n%s", code, &stderr)
		}
	}
}

// brokenWriter fails after so many bytes.
type brokenWriter struct {
	left int
	err  error
}

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, b.err
	}
	return len(p), nil
}

func TestOutputFails(t *testing.T) {
	args := []string{"generate", tiny(t), "-p", "To be", "-n", "100000", "--ctx", "1000000", "-q"}
	for _, tt := range []struct {
		err    error
		code   int
		stderr string
	}{
		{syscall.EPIPE, exitOK, ""},
		{syscall.ENOSPC, exitFailure, "st: write to standard output: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		code := run(args, strings.NewReader(""), &brokenWriter{left: 20, err: &os.PathError{Op: "write", Path: "x", Err: tt.err}}, &stderr)
		if code != tt.code || stderr.String() != tt.stderr {
			t.Errorf("%v: exit code %d, standard error %q", tt.err, code, stderr.String())
		}
	}
}

func TestInterrupted(t *testing.T) {
	model := tiny(t)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"convert", checkpoint, "-o", filepath.Join(dir, "x.stm")},
		{"quantize", model, filepath.Join(dir, "y.stm")},
		{"calibrate", model, "--text", filepath.Join(checkpoint, "heldout.txt"), "-o", filepath.Join(dir, "y")},
		{"inspect", model, "--verify"},
		{"inspect", model, "--layers"},
		{"eval", model, "--text", filepath.Join(checkpoint, "heldout.txt"), "-q"},
		{"eval", model, "--text", filepath.Join(checkpoint, "heldout.txt"), "--save-logits", filepath.Join(dir, "x.logits"), "-q"},
		{"logits", model, "--tokens", "1,2,3", "-o", filepath.Join(dir, "x.npy")},
		{"generate", model, "-p", "To be"},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var stdout, stderr bytes.Buffer
		code := runContext(ctx, args, strings.NewReader(""), &stdout, &stderr)
		if code != exitInterrupted || stderr.String() != "st: interrupted\n" {
			t.Errorf("st %s: exit code %d, standard error %q", strings.Join(args, " "), code, stderr.String())
		}
	}
	if names := list(t, dir); len(names) > 0 {
		t.Errorf("interrupted commands left %v", names)
	}
}

// writerIn returns a function that writes a text to a file below a directory, and returns its path.
func writerIn(t *testing.T, dir string) func(text string, elem ...string) string {
	return func(text string, elem ...string) string {
		t.Helper()
		path := filepath.Join(append([]string{dir}, elem...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
}
