package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What st demo shows is what the commands print that it shows: each is run again, on the file that the demo leaves.
func TestDemo(t *testing.T) {
	temp, keep := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp) // Windows
	t.Chdir(t.TempDir())
	shown := strings.Split("\n"+must(t, "demo", "--keep", keep), "\n$ st ")[1:]
	model := filepath.Join(keep, "tiny-smallthinker.stm")
	for i, command := range []struct {
		args   []string
		prints string // a part of its output; "": nothing is printed
	}{
		{[]string{"convert", checkpointOf(t, shown[0]), "-o", model, "--type", "q4_0"}, ""},
		{[]string{"inspect", model}, "smallthinker"},
		{[]string{"inspect", model, "--verify"}, "ok: "},
		{[]string{"generate", model, "-p", "To be, or not to be", "-n", "100", "--seed", "1", "--stats"}, "."},
	} {
		line, output, _ := strings.Cut(shown[i], "\n")
		if want := shellWords(command.args); line != want {
			t.Errorf("command %d is %s, want %s", i, line, want)
		}
		output = strings.TrimSuffix(output, "\n")
		if i == 0 {
			if output != "" {
				t.Errorf("convert prints %q", output)
			}
			continue
		}
		if again := strings.TrimSuffix(must(t, command.args...), "\n"); withoutMemory(again) != withoutMemory(output) {
			t.Errorf("%s shows\n%s\nand prints\n%s", line, output, again)
		}
		if !strings.Contains(output, command.prints) {
			t.Errorf("%s shows no %q:\n%s", line, command.prints, output)
		}
	}
	if len(shown) != 4 {
		t.Errorf("%d commands are shown", len(shown))
	}
	if names := list(t, temp); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	before, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if o := st("demo", "--keep", keep); o.code != exitFailure || !strings.Contains(o.stderr, "use --force") {
		t.Errorf("%+v", o)
	}
	if o := st("demo", "--keep", keep, "--force", "--quiet"); o.code != exitOK || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	if after, err := os.ReadFile(model); err != nil || len(after) != len(before) {
		t.Errorf("a second demo leaves %d bytes, the first left %d: %v", len(after), len(before), err)
	}
}

// withoutMemory leaves out what inspect says of the memory of this machine, which changes from run to run.
func withoutMemory(output string) string {
	var kept []string
	for line := range strings.Lines(output) {
		first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !slices.Contains([]string{"fits:", "fits", "does", "smallest", "half", "all"}, first) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// checkpointOf returns the directory that a shown conversion reads, which must be gone.
func checkpointOf(t *testing.T, shown string) string {
	t.Helper()
	fields := strings.Fields(shown)
	if len(fields) < 2 {
		t.Fatalf("the first command is %q", shown)
	}
	if _, err := os.Stat(fields[1]); !os.IsNotExist(err) {
		t.Errorf("%s is there still: %v", fields[1], err)
	}
	return fields[1]
}

func TestShellWords(t *testing.T) {
	got := shellWords([]string{"generate", "a.stm", "-p", "it's so"})
	if want := `generate a.stm -p 'it'\''s so'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
