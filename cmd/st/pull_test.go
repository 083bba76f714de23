package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/hub/hubtest"
)

// hubWith starts a Hub that has the trained model of testdata, and points the environment to it and to an empty directory of models.
func hubWith(t *testing.T, id string) (*hubtest.Hub, *hubtest.Repo) {
	h := hubtest.New()
	t.Cleanup(h.Close)
	files, err := hubtest.Directory(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	r := h.Add(id)
	r.Commit(files)
	home := t.TempDir()
	for name, value := range map[string]string{
		"HF_ENDPOINT": h.URL + "/", "MODELSCOPE_ENDPOINT": h.URL, "HF_HOME": filepath.Join(home, "hf"), "HF_HUB_CACHE": "", "HF_TOKEN": "", "HF_TOKEN_PATH": "",
		"HF_HUB_OFFLINE": "", "ST_MODELS": filepath.Join(home, "models"), "NO_PROXY": "127.0.0.1",
	} {
		t.Setenv(name, value)
	}
	return h, r
}

// TestPull: a name is enough to get a model, run it, and find it in the list.
func TestPull(t *testing.T) {
	_, repo := hubWith(t, "Tiiny/Shakespeare")
	o := st("pull", "Tiiny/Shakespeare")
	if o.code != exitOK || o.stdout != "" || !strings.Contains(o.stderr, "st run Tiiny/Shakespeare") {
		t.Fatalf("%+v", o)
	}
	text := must(t, "generate", "Tiiny/Shakespeare", "-p", "ROMEO:", "-n", "8", "--seed", "1")
	if want := must(t, "generate", tiny(t), "-p", "ROMEO:", "-n", "8", "--seed", "1"); text != want {
		t.Errorf("the model says %q, and converted from the disk %q", text, want)
	}
	if o = st("pull", "Tiiny/Shakespeare"); o.code != exitOK || !strings.Contains(o.stderr, "nothing to do: it is there already") {
		t.Errorf("once more: %+v", o)
	}
	if text := must(t, "pull", "Tiiny/Shakespeare", "--json"); !strings.Contains(text, `"up_to_date":true`) {
		t.Errorf("once more: %s", text)
	}
	for range 2 {
		must(t, "pull", "Tiiny/Shakespeare", "--name", "bard")
	}
	if o = st("pull", "Tiiny/Shakespeare", "--type", "q8_0"); o.code != exitFailure || !strings.Contains(o.stderr, "exists, made of hf://Tiiny/Shakespeare at commit") || !strings.Contains(o.stderr, "--force") {
		t.Errorf("of another type: %+v", o)
	}
	must(t, "pull", "ms://Tiiny/Shakespeare", "--type", "q8_0", "--name", "bard:q8")
	must(t, "inspect", "bard:q8")
	out := filepath.Join(t.TempDir(), "m.stm")
	must(t, "convert", "hf://Tiiny/Shakespeare@main", "-o", out, "--encoder", "rtn")
	must(t, "inspect", out, "--verify")

	t.Setenv("HF_HUB_OFFLINE", "1")
	if o = st("pull", "Tiiny/Shakespeare"); o.code != exitOK || !strings.Contains(o.stderr, "nothing to do: it is there already") || !strings.Contains(o.stderr, "requests are switched off") {
		t.Errorf("offline: %+v", o)
	}
	if text := must(t, "pull", "Tiiny/Shakespeare", "--json"); !strings.Contains(text, `"repository":"Tiiny/Shakespeare"`) || !strings.Contains(text, `"up_to_date":true`) {
		t.Errorf("offline: %s", text)
	}
	if o = st("pull", "Tiiny/Shakespeare@v7"); o.code != exitFailure || !strings.Contains(o.stderr, "exists, made of hf://Tiiny/Shakespeare at commit") {
		t.Errorf("offline, another revision: %+v", o)
	}
	t.Setenv("HF_HUB_OFFLINE", "")

	repo.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}")})
	if o = st("pull", "Tiiny/Shakespeare"); o.code != exitFailure || !strings.Contains(o.stderr, "and the repository is at") || !strings.Contains(o.stderr, "--force") {
		t.Errorf("of a newer commit: %+v", o)
	}
}

// TestPullJSON: every line is an object, and the last one tells the result.
func TestPullJSON(t *testing.T) {
	hubWith(t, "Tiiny/Shakespeare")
	lines := bufio.NewScanner(strings.NewReader(must(t, "pull", "Tiiny/Shakespeare", "--json")))
	var stages []string
	var last map[string]any
	for lines.Scan() {
		last = map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		stages = append(stages, last["stage"].(string))
		if last["stage"] == "pulling" && (last["total"].(float64) < 1e6 || last["done"].(float64) > last["total"].(float64)) {
			t.Errorf("%s", lines.Text())
		}
	}
	if len(stages) < 3 || stages[0] != "resolving" || stages[len(stages)-1] != "done" || len(last["commit"].(string)) != 40 ||
		last["downloaded_bytes"].(float64) < last["source_bytes"].(float64) || last["output"] == "" {
		t.Errorf("stages %v, %v", stages, last)
	}
}

// TestPullKeep: a checkpoint that is kept is found again without the network; gptq reads it more than once.
func TestPullKeep(t *testing.T) {
	h, _ := hubWith(t, "Tiiny/Shakespeare")
	must(t, "pull", "Tiiny/Shakespeare", "--keep")
	must(t, "pull", "Tiiny/Shakespeare") // it is up to date
	h.SetFaults(func(hubtest.Request) hubtest.Fault { return hubtest.Fault{Status: 403} })
	t.Setenv("HF_HUB_OFFLINE", "1")
	must(t, "pull", "Tiiny/Shakespeare")
	must(t, "pull", "Tiiny/Shakespeare", "--name", "again", "--type", "f16")
	dir := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--Tiiny--Shakespeare")
	must(t, "convert", dir, "-o", filepath.Join(t.TempDir(), "m.stm"))
}

// TestPullRefused: errors say what to do.
func TestPullRefused(t *testing.T) {
	_, repo := hubWith(t, "Tiiny/Shakespeare")
	for _, tt := range []struct {
		args, want string
		code       int
		edit       func()
	}{
		{"pull Shakespeare", "ORG/NAME", exitUsage, nil},
		{"pull Tiiny/Shakespeare@", "a branch, a tag or a commit", exitUsage, nil},
		{"pull Tiiny/Shakespeare --name a/b/c/d", "--name", exitUsage, nil},
		{"convert hf://x -o m.stm", "ORG/NAME", exitUsage, nil},
		{"convert x -o m.stm --keep", "--keep is for", exitUsage, nil},
		{"pull Tiiny/Other", "set HF_TOKEN", exitFailure, nil},
		{"pull ms://Tiiny/Other", "for ms:// MODELSCOPE_API_TOKEN", exitFailure, nil},
		{"pull Tiiny/Shakespeare@v7", "after @ comes a branch", exitFailure, nil},
		{"pull Tiiny/Shakespeare:Q4_0", "leave :TYPE out", exitFailure, nil},
		{"pull Tiiny/Shakespeare --encoder gptq", "--keep downloads it", exitFailure, nil},
		{"pull ms://Tiiny/Shakespeare --keep", "HF_HUB_CACHE", exitFailure, nil},
		{"pull Tiiny/Shakespeare", "accept the terms", exitFailure, func() { repo.Gate(true) }},
		{"pull Tiiny/Shakespeare", "unset HF_HUB_OFFLINE", exitFailure, func() { t.Setenv("HF_HUB_OFFLINE", "1") }},
		{"pull Tiiny/Shakespeare", "correct HF_ENDPOINT", exitFailure, func() { t.Setenv("HF_HUB_OFFLINE", ""); t.Setenv("HF_ENDPOINT", "huggingface") }},
	} {
		if tt.edit != nil {
			tt.edit()
		}
		o := st(strings.Fields(tt.args)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st %s: exit code %d, %s", tt.args, o.code, o.stderr)
		}
	}
	entries, _ := os.ReadDir(filepath.Join(os.Getenv("ST_MODELS"), "Tiiny"))
	for _, e := range entries {
		t.Errorf("%s is left behind", e.Name())
	}
}

// A command that fails before it writes anything leaves no directory for the model that was to be.
func TestFailureLeavesNoDirectory(t *testing.T) {
	hubWith(t, "Tiiny/Shakespeare")
	for _, args := range [][]string{
		{"pull", "Nobody/Nothing"},
		{"run", "Nobody/Nothing", "Hello"},
		{"convert", filepath.Join(t.TempDir(), "nothing"), "--name", "Nobody/Nothing"},
		{"quantize", filepath.Join(t.TempDir(), "nothing.stm"), "--name", "Nobody/Nothing"},
	} {
		if o := st(args...); o.code != exitFailure {
			t.Errorf("%q: %+v", args, o)
		}
		if entries, err := os.ReadDir(os.Getenv("ST_MODELS")); len(entries) > 0 {
			t.Errorf("%q leaves %v, %v", args, entries, err)
		}
	}
	must(t, "pull", "Tiiny/Shakespeare")
	if o := st("pull", "Tiiny/Nothing"); o.code != exitFailure {
		t.Errorf("%+v", o)
	}
	must(t, "inspect", "Tiiny/Shakespeare")
}
