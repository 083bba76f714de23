package checkpoint

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files of testdata/malformed anew")

const (
	malformedDir  = "../../testdata/malformed"
	malformedList = "expected.txt"
)

const malformedHead = `# Malformed checkpoints, one a line: its name in this directory, a colon, and words of the error that it must give.
# The files are written by: go test ./convert/checkpoint -run TestMalformed -update
`

// TestMalformed opens each checkpoint of the corpus and reads all of it; one or the other must give the error listed.
func TestMalformed(t *testing.T) {
	if *update {
		writeMalformed(t)
	}
	list, err := os.ReadFile(filepath.Join(malformedDir, malformedList))
	must(t, err)
	listed := map[string]bool{malformedList: true}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		name, want, ok := strings.Cut(lines.Text(), ": ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		listed[name] = true
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(malformedDir, name)
			err := openAndRead(path)
			wantError(t, err, path, want)
			t.Log(err)
		})
	}
	files, err := os.ReadDir(malformedDir)
	must(t, err)
	for _, f := range files {
		if !listed[f.Name()] {
			t.Errorf("%s is not listed in %s", f.Name(), malformedList)
		}
	}
}

// openAndRead returns the first error of opening a checkpoint and reading all its tensors.
func openAndRead(path string) error {
	c, err := Open(path)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range c.Tensors() {
		if err := t.ReadRows(make([]float32, t.Rows()*t.Cols()), 0, t.Rows()); err != nil {
			return err
		}
	}
	return nil
}

// writeMalformed writes the corpus and its list.
func writeMalformed(t *testing.T) {
	must(t, os.RemoveAll(malformedDir))
	must(t, os.MkdirAll(malformedDir, 0o755))
	list := bytes.NewBufferString(malformedHead)
	for _, section := range [][]malformed{malformedSafetensors(t), malformedIndexes(t), malformedTorch(t)} {
		list.WriteByte('\n')
		for _, m := range section {
			fmt.Fprintf(list, "%s: %s\n", m.name, m.want)
			for name, data := range m.files {
				path := filepath.Join(malformedDir, m.name, filepath.FromSlash(name))
				must(t, os.MkdirAll(filepath.Dir(path), 0o755))
				must(t, os.WriteFile(path, data, 0o644))
			}
		}
	}
	must(t, os.WriteFile(filepath.Join(malformedDir, malformedList), list.Bytes(), 0o644))
}
