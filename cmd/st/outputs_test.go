package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"st/format/outfile"
)

// No command writes over what it reads, even with --force, and none over a link.
func TestOutputIsInput(t *testing.T) {
	model, dir := full(t), t.TempDir()
	text, stats, trace := heldout(t, 3000), filepath.Join(dir, "stats"), filepath.Join(dir, "trace")
	must(t, "calibrate", model, "--text", text, "-o", stats, "--covariance", "--quiet")
	must(t, "generate", model, "-p", "To be", "-n", "5", "--trace", trace, "--quiet")
	link := filepath.Join(dir, "link")
	if runtime.GOOS != "windows" {
		if err := os.Symlink(text, link); err != nil {
			t.Fatal(err)
		}
	} else {
		link = text
	}
	before := map[string]string{}
	for _, path := range []string{model, text, stats, trace} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = string(data)
	}
	for _, args := range [][]string{
		{"quantize", model, model},
		{"quantize", model, stats, "--calibration", stats},
		{"convert", checkpoint, "-o", stats, "--calibration", stats},
		{"calibrate", model, "--text", text, "-o", text},
		{"calibrate", model, "--text", text, "-o", model},
		{"inspect", model, "--html", model},
		{"inspect", model, "--html", text, "--run", "--text", text},
		{"inspect", model, "--html", trace, "--cache-plan", "--trace", trace},
		{"eval", model, "--text", text, "--save-logits", text},
		{"generate", model, "-p", "To be", "-n", "3", "--trace", model},
		{"generate", model, "-f", text, "-n", "3", "--timeline", text},
		{"bench", model, "--text", text, "--prompt", "4", "--gen", "2", "--repeat", "1", "--trace", text},
		{"eval", model, "--text", text, "--ctx", "64", "--trace", text},
		{"quantize", model, link},
		{"calibrate", model, "--text", text, "-o", link},
	} {
		if args[len(args)-1] == link && runtime.GOOS == "windows" {
			continue
		}
		if o := st(append(args, "--force", "--quiet")...); o.code != exitFailure || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%v: %+v", args, o)
		}
	}
	for path, want := range before {
		if data, err := os.ReadFile(path); err != nil || string(data) != want {
			t.Errorf("%s is not what it was: %v", path, err)
		}
	}
	for _, args := range [][]string{
		{"calibrate", model, "--text", text, "-o", filepath.Join(dir, "x"), "--trace", filepath.Join(dir, "x")},
		{"eval", model, "--text", text, "--save-logits", filepath.Join(dir, "x"), "--trace", filepath.Join(dir, "x")},
		{"calibrate", model, "--text", text, "-o", filepath.Join(dir, "x"), "--timeline", filepath.Join(dir, "x")},
		{"eval", model, "--text", text, "--save-logits", filepath.Join(dir, "x"), "--timeline", filepath.Join(dir, "x")},
		{"logits", model, "--tokens", "1", "-o", filepath.Join(dir, "x"), "--trace", filepath.Join(dir, "x")},
		{"logits", model, "--tokens", "1", "-o", filepath.Join(dir, "x"), "--timeline", filepath.Join(dir, "x")},
		{"generate", model, "-p", "x", "--prompt-cache", filepath.Join(dir, "x"), "--timeline", filepath.Join(dir, "x")},
		{"quantize", model, ""},
		{"eval", model, "--text", text, "--save-logits", ""},
		{"inspect", model, "--html", ""},
	} {
		if o := st(args...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

// outputs are the commands that write files: the output's name comes last.
func outputs(t *testing.T) map[string][]string {
	text := heldout(t, 700)
	return map[string][]string{
		"convert":   {"convert", checkpoint, "-o"},
		"quantize":  {"quantize", full(t)},
		"calibrate": {"calibrate", tiny(t), "--text", text, "-o"},
		"logits":    {"logits", tiny(t), "--tokens", "1,2,3", "-o"},
		"inspect":   {"inspect", tiny(t), "--html"},
		"eval":      {"eval", tiny(t), "--text", text, "--ctx", "64", "--save-logits"},
		"trace":     {"generate", tiny(t), "-p", "To be", "-n", "3", "--trace"},
		"timeline":  {"bench", tiny(t), "--prompt", "4", "--gen", "2", "--repeat", "1", "--timeline"},
	}
}

// Only a page may go to standard output. No command makes a file that is called -, which is hard to remove.
func TestStandardOutput(t *testing.T) {
	commands := outputs(t)
	commands["export"] = []string{"export", tiny(t), "-o"}
	commands["prompt cache"] = []string{"generate", tiny(t), "-p", "To be", "-n", "1", "--prompt-cache"}
	var err error
	if commands["convert"][1], err = filepath.Abs(checkpoint); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, args := range commands {
		o := st(append(args, "-", "--quiet")...)
		if name == "inspect" {
			if o.code != exitOK || o.stderr != "" || !strings.HasPrefix(o.stdout, "<!DOCTYPE html>") {
				t.Errorf("%s to -: exit code %d, %.100q, %s", name, o.code, o.stdout, o.stderr)
			}
		} else if o.code != exitUsage || o.stdout != "" || !strings.Contains(o.stderr, "standard") || !strings.Contains(o.stderr, "file") {
			t.Errorf("%s to -: %+v", name, o)
		}
	}
	if names := list(t, "."); len(names) > 0 {
		t.Errorf("there are %v", names)
	}
}

// No command replaces a file without --force, and every one does with it.
func TestForce(t *testing.T) {
	for name, args := range outputs(t) {
		output := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(output, []byte("before"), 0o666); err != nil {
			t.Fatal(err)
		}
		args = append(args, output, "--quiet")
		if o := st(args...); o.code != exitFailure || !strings.Contains(o.stderr, output+" exists: use --force to replace it") {
			t.Errorf("%s to a file that exists: %+v", name, o)
		}
		if data, err := os.ReadFile(output); err != nil || string(data) != "before" {
			t.Errorf("%s without --force: %q, %v", name, data, err)
		}
		if o := st(append(args, "--force")...); o.code != exitOK {
			t.Errorf("%s --force: %+v", name, o)
		}
		if data, err := os.ReadFile(output); err != nil || string(data) == "before" {
			t.Errorf("%s --force left what was there: %v", name, err)
		}
	}
	for _, args := range [][]string{
		{"generate", tiny(t), "-p", "To be"}, {"run", tiny(t), "To be"}, {"bench", tiny(t)}, {"bench", "--bandwidth"}, {"eval", tiny(t), "--text", "x"}, {"inspect", tiny(t)},
	} {
		if o := st(append(args, "--force")...); o.code != exitUsage || !strings.Contains(o.stderr, "--force") {
			t.Errorf("%v --force, which writes nothing: %+v", args, o)
		}
	}
}

// No command writes over a link without being told to, also over one that leads nowhere or to itself, nor into a directory that is not there,
// and none names its temporary file.
func TestOutputNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights here")
	}
	for name, args := range outputs(t) {
		dir := t.TempDir()
		dangling, loop := filepath.Join(dir, "dangling"), filepath.Join(dir, "loop")
		for link, to := range map[string]string{dangling: filepath.Join(dir, "nowhere"), loop: loop} {
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
		}
		for _, output := range []string{dangling, loop, filepath.Join(dir, "none", "x"), dir} {
			o := st(append(args, output, "--quiet")...)
			if o.code != exitFailure || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, output) || strings.Contains(o.stderr, ".tmp") {
				t.Errorf("%s to %s: %+v", name, output, o)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%s left %v, %v", name, entries, err)
		}
		for _, link := range []string{dangling, loop} {
			if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s: %s is no link any more, %v", name, link, err)
			}
		}
	}
}

// What a run that was killed has left behind is removed by the next run to the same output, which says so. What another process is writing is
// not touched, and refused.
func TestLeftovers(t *testing.T) {
	for name, args := range outputs(t) {
		output := filepath.Join(t.TempDir(), "x")
		dead := output + ".2147483646-1.tmp" // no process has this number
		if err := os.WriteFile(dead, make([]byte, 5000), 0o666); err != nil {
			t.Fatal(err)
		}
		o := st(append(args, output)...)
		if o.code != exitOK || strings.Count(o.stderr, dead+", ") != 1 || !strings.Contains(o.stderr, "had left behind, was removed") {
			t.Errorf("%s: %+v", name, o)
		}
		if _, err := os.Stat(dead); err == nil {
			t.Errorf("%s leaves %s", name, dead)
		}
		os.Remove(output)

		f, err := outfile.Create(output, outfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if o := st(append(args, output)...); o.code != exitFailure || !strings.Contains(o.stderr, output+" is being written by another process") {
			t.Errorf("%s to a file that is being written: %+v", name, o)
		}
		if err := f.Commit(); err != nil {
			t.Errorf("%s: the other process: %v", name, err)
		}
	}
}

// A run that is killed leaves nothing under the output's name, and the next one removes what it leaves.
func TestKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process that is killed is not gone at once here")
	}
	for name, args := range longOutputs(t) {
		output := filepath.Join(t.TempDir(), "x")
		temporary := func() []string { return temporaries(output) }
		endWhileWriting(t, args, output, os.Kill)
		left := temporary()
		if _, err := os.Lstat(output); err == nil || len(left) != 1 {
			t.Fatalf("%s leaves %v, and under the output's name: %v", name, left, err)
		}
		if o := st(append(args, output)...); o.code != exitOK || !strings.Contains(o.stderr, left[0]) || len(temporary()) > 0 {
			t.Errorf("%s after that: %+v, %v", name, o, temporary())
		}
	}
}

// longOutputs returns commands that write for a while, to the file that is named last.
func longOutputs(t *testing.T) map[string][]string {
	return map[string][]string{
		"convert": {"convert", checkpoint, "-o"},
		"trace":   {"generate", tiny(t), "-p", "To be", "-n", "1000", "--ctx", "1024", "--trace"},
		"eval":    {"eval", tiny(t), "--text", heldout(t, 20000), "--ctx", "64", "--save-logits"},
	}
}

func temporaries(output string) []string {
	names, _ := filepath.Glob(output + ".*.tmp")
	return names
}

// endWhileWriting runs the program, sends it a signal while it writes, and returns its exit code and what it said. If it is done before the signal comes
// it runs again.
func endWhileWriting(t *testing.T, args []string, output string, s os.Signal) (code int, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for {
		var said strings.Builder
		cmd := exec.Command(self, append(args, output)...)
		cmd.Env, cmd.Stderr = append(os.Environ(), asProgram+"=1"), &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		running := true
		for running && len(temporaries(output)) == 0 {
			select {
			case err = <-ended:
				running = false
			case <-time.After(time.Millisecond):
			}
		}
		if running {
			_ = cmd.Process.Signal(s) // which fails if it is done
			err = <-ended
		}
		if err != nil {
			return cmd.ProcessState.ExitCode(), said.String()
		}
		if err := os.Remove(output); err != nil {
			t.Fatal(err)
		}
	}
}

// A run that is interrupted leaves nothing, says so, and has the exit code that shells give it.
func TestInterruptedWhileWriting(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send another one an interrupt here")
	}
	for name, args := range longOutputs(t) {
		output := filepath.Join(t.TempDir(), "x")
		code, stderr := endWhileWriting(t, args, output, os.Interrupt)
		if code != exitInterrupted || !strings.HasSuffix(stderr, "st: interrupted\n") {
			t.Errorf("%s ends with %d and says %q", name, code, stderr)
		}
		if left := temporaries(output); len(left) > 0 {
			t.Errorf("%s leaves %v", name, left)
		}
		if _, err := os.Lstat(output); err == nil && name != "trace" { // which may have whole passes in it
			t.Errorf("%s leaves a file under the output's name", name)
		}
	}
}

// The second signal ends the program at once, unless it is the first one, sent twice.
func TestImpatience(t *testing.T) {
	start := time.Unix(0, 0)
	for _, tt := range []struct {
		name string
		at   []time.Duration
		want []bool
	}{
		{"twice", []time.Duration{0, time.Second}, []bool{false, true}},
		{"one that is sent twice, and another", []time.Duration{0, time.Millisecond, 300 * time.Millisecond}, []bool{false, false, true}},
	} {
		var i impatience
		for n, at := range tt.at {
			if got := i.next(start.Add(at)); got != tt.want[n] {
				t.Errorf("%s: signal %d ends at once: %t", tt.name, n, got)
			}
		}
	}
}

// The second signal hastens a command that has asked for that, and the third ends the program at once, whichever signals they are.
func TestSecondSignal(t *testing.T) {
	start := time.Unix(0, 0)
	for _, signals := range [][]os.Signal{{os.Interrupt, os.Interrupt, os.Interrupt}, {syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGTERM, os.Interrupt, syscall.SIGTERM}} {
		var i interrupts
		var n impatience
		cancelled, hastened := 0, 0
		i.onSecond(func() { hastened++ })
		for at, s := range signals {
			end := i.signalled(s, &n, start.Add(time.Duration(at)*time.Second), func() { cancelled++ })
			if end != (at == 2) || cancelled != at+1 || hastened != min(at, 1) {
				t.Errorf("%v: signal %d: ends at once: %t, cancelled %d times, hastened %d times", signals, at, end, cancelled, hastened)
			}
		}
	}
}

// A signal that is sent twice counts once, each time.
func TestSignalsTogether(t *testing.T) {
	var i interrupts
	var n impatience
	hastened := 0
	i.onSecond(func() { hastened++ })
	for _, tt := range []struct {
		at       time.Duration
		hastened int
		end      bool
	}{
		{0, 0, false}, {time.Millisecond, 0, false},
		{5 * time.Second, 1, false}, {5*time.Second + time.Millisecond, 1, false},
		{6 * time.Second, 1, true},
	} {
		if end := i.signalled(syscall.SIGTERM, &n, time.Unix(0, 0).Add(tt.at), func() {}); end != tt.end || hastened != tt.hastened {
			t.Errorf("after %v: ends at once: %t, hastened %d times", tt.at, end, hastened)
		}
	}
}

// Two names are of one file also if a link leads to its directory.
func TestSameName(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Mkdir(filepath.Join(dir, "there"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("there", link); err != nil {
		t.Skip("no links here:", err)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"there/x", "there/../there/x", true}, {"there/x", "link/x", true}, {"there/x", "there/y", false}, {"none/x", "none/x", true}, {"none/x", "there/x", false},
	} {
		if got := sameName(filepath.Join(dir, tt.a), filepath.Join(dir, tt.b)); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
	if sameName("", "") {
		t.Error("no name is the same as no name")
	}
}
