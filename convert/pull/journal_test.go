package pull

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/convert/hub"
)

func write(t testing.TB, path string) {
	j, err := newJournal(path, header{Ref: "a/b", ID: "a/b", Commit: "c", What: "w", Files: []hub.File{{Path: "x", Size: 9}}})
	if err == nil {
		err = j.write(entry{Done: []result{{1, 0}, {2, 3}}, Position: 10, Hash: &hub.HashState{Done: 10}})
	}
	if err == nil {
		err = j.write(entry{Done: []result{{4, 0}}, Position: 25, Sums: map[string]string{"x": "s"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	j.close()
}

// TestJournal: what was written is read again, up to where the file is damaged or cut.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []convert.JobResult{{Sum: 1}, {Sum: 2, Nonfinite: 3}, {Sum: 4}}
	lines := [][]byte{}
	for line := range slices.Values(splitLines(whole)) {
		lines = append(lines, line)
	}
	for cut := range whole {
		if err := os.WriteFile(path, whole[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		j, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		complete, jobs := 0, []int{0, 0, 2, 3}
		for n := 0; complete < len(lines) && n+len(lines[complete]) <= cut; complete++ {
			n += len(lines[complete])
		}
		if (j == nil) != (complete == 0) {
			t.Fatalf("%d bytes: a journal: %t", cut, j != nil)
		}
		if j == nil {
			continue
		}
		done, _, _, _ := j.last()
		if !slices.Equal(done, all[:jobs[complete]]) || j.header.ID != "a/b" {
			t.Errorf("%d bytes, %d lines: %v", cut, complete, done)
		}
		j.close()
	}
	write(t, path)
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := j.before(2, 1000); n != 1 {
		t.Errorf("%d lines tell of two jobs at most", n)
	}
	if n := j.before(3, 9); n != 0 {
		t.Errorf("%d lines end before byte 9", n)
	}
	if err := j.keep(1); err != nil {
		t.Fatal(err)
	}
	j.close()
	if j, err = openJournal(path); err != nil {
		t.Fatal(err)
	}
	if done, position, hash, sums := j.last(); len(done) != 2 || position != 10 || hash == nil || len(sums) != 0 {
		t.Errorf("after a line was dropped: %v, %d, %v, %v", done, position, hash, sums)
	}
	if err := j.remove(); err != nil {
		t.Error(err)
	}
	if j, err := openJournal(path); j != nil || err != nil {
		t.Errorf("after it was removed: %v, %v", j, err)
	}
}

func splitLines(b []byte) (lines [][]byte) {
	for len(b) > 0 {
		i := slices.Index(b, '\n') + 1
		lines, b = append(lines, b[:i]), b[i:]
	}
	return lines
}

// FuzzJournal: whatever the file has, reading it ends, and a journal that is read can be gone on with.
func FuzzJournal(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	write(f, path)
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)/2])
	f.Add([]byte("00000000 \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		j, err := openJournal(path)
		if err != nil || j == nil {
			return
		}
		defer j.close()
		if err := j.write(entry{Position: 1}); err != nil {
			t.Error(err)
		}
	})
}
