package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/cmd/internal/report"
)

// useStore makes an empty directory that of the models, until the test ends.
func useStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "models")
	t.Setenv("ST_MODELS", dir)
	return dir
}

// copyFile copies a file, whose directory is made.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o777)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A model that is kept by name is made with a note that tells how to run it.
func TestKeptNote(t *testing.T) {
	useTinyHub(t)
	useStore(t)
	for _, tt := range []struct {
		args []string
		name string
	}{
		{[]string{"convert", checkpoint, "--name", "Org/Model:latest"}, "Org/Model"},
		{[]string{"convert", "hf://Org/Tiny", "--name", "far"}, "far"},
		{[]string{"quantize", "Org/Model", "--name", "model:small"}, "model:small"},
		{[]string{"pull", "Org/Tiny"}, "Org/Tiny"},
		{[]string{"convert", "../../testdata/architectures/phi3", "--name", "ids"}, "ids"}, // without a tokenizer: st run would be refused
	} {
		next := "run"
		if tt.name == "ids" {
			next = "inspect"
		}
		if o := st(tt.args...); o.code != exitOK || !strings.HasSuffix(o.stderr, "\n"+tt.name+" is kept: st "+next+" "+tt.name+"\n") {
			t.Errorf("%v: %+v", tt.args, o)
		}
	}
	if o := st("convert", checkpoint, "-o", filepath.Join(t.TempDir(), "x.stm")); o.code != exitOK || strings.Contains(o.stderr, "is kept") {
		t.Errorf("to a file: %+v", o)
	}
}

// A model is converted, copied, quantized, run, shown and removed by its name.
func TestNames(t *testing.T) {
	dir := useStore(t)
	must(t, "convert", checkpoint, "--name", "Org/Model", "-q")
	must(t, "convert", checkpoint, "--name", "Org/Model:f16", "--type", "f16", "-q")
	if got := must(t, "cp", "org/model", "other"); got != "copied org/model to other\n" {
		t.Error(got)
	}
	must(t, "quantize", "model:F16", "--name", "other:q8_0", "--type", "q8_0", "-q")
	list := mustJSON[listReport](t, "list", "--json")
	var got []string
	for _, m := range list.Models {
		if m.Brief == nil || m.Needed < m.Smallest || !m.Fits && m.Available > 0 || m.Parameters != 5231040 || m.Partial || m.Error != "" {
			t.Errorf("%+v", m)
			continue
		}
		got = append(got, m.Name+" "+m.Type)
	}
	if want := []string{"Org/Model q4_0", "Org/Model:f16 f16", "other q4_0", "other:q8_0 q8_0"}; !slices.Equal(got, want) || list.Directory != dir {
		t.Errorf("%v in %s, want %v", got, list.Directory, want)
	}
	byFile := must(t, "generate", tiny(t), "-p", "To be", "-n", "5", "--seed", "1")
	for _, name := range []string{"Org/Model", "MODEL", "other:latest"} {
		if got := must(t, "generate", name, "-p", "To be", "-n", "5", "--seed", "1"); got != byFile {
			t.Errorf("%s generates %q, its file %q", name, got, byFile)
		}
	}
	text, out := heldout(t, 9000), t.TempDir()
	for _, args := range []string{
		"run other Hi -n 1", "show other", "inspect model", "inspect other --run -p x", "tokenize other x", "bench other --prompt 4 --gen 1 --repeat 1", "diff model other --exit-code",
		"eval other --text " + text + " --ctx 1024", "logits other --tokens 1 -o " + filepath.Join(out, "x.npy"), "export other -o " + filepath.Join(out, "x.gguf"),
		"calibrate other --text " + text + " -o " + filepath.Join(out, "x.safetensors"), "quantize other " + filepath.Join(out, "x.stm"),
	} {
		must(t, append(strings.Fields(args), "-q")...)
	}
	if got := must(t, "rm", "other:q8_0", "OTHER"); got != "deleted other:q8_0\ndeleted other\n" {
		t.Error(got)
	}
	if got := must(t, "list"); strings.Count(got, "\n") != 3 || strings.Contains(got, "other") {
		t.Error(got)
	}
}

func TestListShowsWhatIsWrong(t *testing.T) {
	dir := useStore(t)
	if o := st("list"); o.code != exitOK || o.stdout != "" || !strings.Contains(o.stderr, "no models in "+dir) {
		t.Errorf("%+v", o)
	}
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "begun.stm.part"))
	copyFile(t, "list.go", filepath.Join(dir, "source.stm"))
	copyFile(t, tiny(t), filepath.Join(dir, "tiny.stm"))
	o := st("list")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if o.code != exitOK || len(lines) != 4 || !strings.Contains(lines[1], "Org/begun") || !strings.Contains(lines[1], "not complete") ||
		!strings.Contains(lines[2], "damaged") || !strings.Contains(o.stderr, "source.stm: ") {
		t.Errorf("%+v", o)
	}
	list := mustJSON[listReport](t, "list", "org", "--json", "-q")
	if len(list.Models) != 1 || !list.Models[0].Partial || list.Models[0].Bytes == 0 {
		t.Errorf("%+v", list)
	}
	if o := st("generate", "begun", "-p", "x"); o.code != exitFailure || !strings.Contains(o.stderr, "Org/begun is not complete") {
		t.Errorf("%+v", o)
	}
	if got := must(t, "rm", "begun"); got != "deleted Org/begun\n" {
		t.Error(got)
	}
	// What a conversion leaves that was killed.
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "made.stm.draft.stm"))
	copyFile(t, "list.go", filepath.Join(dir, "Org", "made.stm.calibration.json"))
	if got := must(t, "list", "made"); !strings.Contains(got, "conversion not complete") {
		t.Error(got)
	}
	list = mustJSON[listReport](t, "list", "made", "--json", "-q")
	if len(list.Models) != 1 || !list.Models[0].Partial || list.Models[0].Bytes < 1<<20 || filepath.Dir(list.Models[0].Path) != filepath.Join(dir, "Org") {
		t.Errorf("%+v", list)
	}
	if got := must(t, "rm", "made"); got != "deleted Org/made\n" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(dir, "Org")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestWrongNames(t *testing.T) {
	dir := useStore(t)
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "Model@q4_0.stm"))
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "Model@q8_0.stm"))
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"generate modell -p x", exitFailure, `no model "modell" (near it: Org/Model:q4_0, Org/Model:q8_0), and no file of that name: st list shows`},
		{"generate model -p x", exitFailure, "give one of these names in full"},
		{"show ../x", exitFailure, "no such file"},
		{"rm nothing model", exitFailure, `no model "nothing"; "model" names several`},
		{"rm ../../etc", exitFailure, "is not a name"},
		{"rm", exitUsage, "argument NAME is missing"},
		{"cp model:q4_0", exitUsage, "argument DESTINATION is missing"},
		{"cp model:q4_0 Org/a/b", exitUsage, "is not a name"},
		{"cp model:q4_0 org/MODEL:q8_0", exitFailure, "exists: use --force"},
		{"cp list.go x", exitFailure, "list.go"},
		{"convert " + checkpoint + " --name con", exitUsage, "device on Windows"},
		{"convert " + checkpoint + " --name x -o y", exitUsage, "named twice"},
		{"convert " + checkpoint + " --name model:q4_0", exitOK, ""},
		{"convert " + checkpoint + " --name org/model:Q4_0", exitFailure, "exists: use --force"},
		{"quantize model:q8_0", exitUsage, "an output file is missing: OUT.stm, or --name"},
	} {
		if o := st(strings.Fields(tt.args)...); o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st %s: %+v, want code %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
}

func TestCompletion(t *testing.T) {
	dir := useStore(t)
	for _, name := range []string{"Org/Model@q4_0.stm", "tiny.stm", "Org/begun.stm.part"} {
		copyFile(t, tiny(t), filepath.Join(dir, filepath.FromSlash(name)))
	}
	t.Chdir(t.TempDir())
	for _, name := range []string{"file.stm", "other.gguf", "notes.txt", "weights/x.stm"} {
		copyFile(t, filepath.Join(dir, "tiny.stm"), filepath.FromSlash(name))
	}
	weights := "weights" + string(filepath.Separator)
	const noSpace, noFiles, files = ":6", ":4", ":0"
	for _, tt := range []struct{ line, want string }{
		{"run |", "Org/Model:q4_0 tiny file.stm other.gguf " + weights + " " + noFiles},
		{"run t|", "tiny " + noFiles},
		{"show Mod|", "Model:q4_0 " + noFiles},
		{"inspect w|", weights + " " + noSpace},
		{"inspect weights/|", "weights/x.stm " + noFiles},
		{"inspect nothing|", files},
		{"run tiny |", files},
		{"diff tiny f|", "file.stm " + noFiles},
		{"serve tiny O|", "Org/Model:q4_0 " + noFiles},
		{"rm f|", noFiles},
		{"rm tiny O|", "Org/Model:q4_0 " + noFiles},
		{"list M|", "Model:q4_0 " + noFiles},
		{"quantize tiny |", files},
		{"run tiny --kv-type |", "f16 f32 q8_0 " + noFiles},
		{"convert --type |", "q4_0 q8_0 f16 bf16 f32 " + noFiles},
		{"pull Org/Model --preset |", "smallest fast balanced fine precise " + noFiles},
	} {
		line, _ := strings.CutSuffix(tt.line, "|")
		words := strings.Split(line, " ")
		o := st(append([]string{"__complete"}, words...)...)
		if got := strings.Join(strings.Fields(o.stdout), " "); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.line, got, tt.want)
		}
	}
}

// A name that means one of two models does not mean the second when the first is removed.
func TestRemoveMeansWhatThereWas(t *testing.T) {
	dir := useStore(t)
	for _, tag := range []string{"q4_0", "q8_0"} {
		copyFile(t, tiny(t), filepath.Join(dir, "Org", "Model@"+tag+".stm"))
	}
	o := st("rm", "model:q4_0", "model", "org/model:q4_0")
	if o.code != exitFailure || o.stdout != "deleted Org/Model:q4_0\n" || !strings.Contains(o.stderr, "give one of these names in full") {
		t.Errorf("%+v", o)
	}
	if got := must(t, "list", "model"); !strings.Contains(got, "Org/Model:q8_0") {
		t.Errorf("what is left: %s", got)
	}
	if o := st("list", "bert"); o.code != exitOK || o.stdout != "" || !strings.Contains(o.stderr, "begins with bert") {
		t.Errorf("%+v", o)
	}
}

// What st list --json prints is one object whatever is kept.
func TestListIsEmptyArray(t *testing.T) {
	useStore(t)
	var r struct {
		Models json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal([]byte(must(t, "list", "--json")), &r); err != nil || string(r.Models) != "[]" {
		t.Errorf("%s, %v", r.Models, err)
	}
}

// st run without a name takes the only model there is, and else says what there is.
func TestRunWithoutName(t *testing.T) {
	dir := useStore(t)
	o := st("run")
	for _, want := range []string{"Tiiny/SmallThinker-4BA0.6B-Instruct ", "q8_0", "TOKENS/S", "argument MODEL is missing, and no model is kept yet"} {
		if o.code != exitUsage || o.stdout != "" || !strings.Contains(o.stderr, want) {
			t.Errorf("%+v, want %q", o, want)
		}
	}
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "Model.stm"))
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "begun.stm.part"))
	if o := stIn("Hi", "run", "-n", "3", "--seed", "1"); o.code != exitOK || o.stdout != must(t, "run", "Org/Model", "Hi", "-n", "3", "--seed", "1") {
		t.Errorf("%+v", o)
	}
	copyFile(t, tiny(t), filepath.Join(dir, "tiny.stm"))
	if o := stIn("Hi", "run"); o.code != exitUsage || !strings.Contains(o.stderr, "one of Org/Model, tiny") {
		t.Errorf("%+v", o)
	}
	p := mustJSON[report.Published](t, "list", "--published", "--json")
	if len(p.Models) < 3 || p.Bandwidth == 0 || len(p.Models[0].Types) != 2 {
		t.Errorf("%+v", p)
	}
	if got := must(t, "list", "--published"); !strings.Contains(got, "Tiiny/SmallThinker-21BA3B-Instruct ") {
		t.Error(got)
	}
}
