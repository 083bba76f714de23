package selfcal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert"
	"st/convert/calibration"
	"st/format"
	"st/format/outfile"
)

// journal tells what was made of which source. It is written when a stage is done.
type journal struct {
	Key
	// Draft is the draft's file.
	Draft format.SourceFile `json:"draft"`
	// Text is what the model wrote: sequences of Key.Window tokens. Empty: it is not written yet.
	Text []int32 `json:"text,omitempty"`
	// Parts are what is collected, and Calibration the files of those that are done.
	Parts       []calibration.Part  `json:"parts,omitempty"`
	Calibration []format.SourceFile `json:"calibration,omitempty"`
}

// Key is all that the calibration depends on.
type Key struct {
	Tool    string              `json:"tool"`
	Sources []format.SourceFile `json:"sources"`
	Tokens  int                 `json:"tokens"`
	Window  int                 `json:"window"` // tokens in a sequence
	Seed    uint64              `json:"seed"`
}

func (k *Key) equal(o *Key) bool {
	return k.Tool == o.Tool && slices.Equal(k.Sources, o.Sources) && k.Tokens == o.Tokens && k.Window == o.Window && k.Seed == o.Seed
}

// The files of a run beside its target.
func draftPath(dst string) string   { return dst + ".draft.stm" }
func journalPath(dst string) string { return dst + ".calibration.json" }
func claimPath(dst string) string   { return dst + ".calibration" } // never a file, but for a temporary one while a run is under way
func partPath(dst string, i, of int) string {
	return fmt.Sprintf("%s.calibration-%d-of-%d.safetensors", dst, i+1, of)
}

// Files returns the files that an interrupted run has left beside a target.
func Files(dst string) (paths []string) {
	entries, _ := os.ReadDir(filepath.Dir(dst))
	for _, e := range entries {
		path := filepath.Join(filepath.Dir(dst), e.Name())
		if e.Type().IsRegular() && (e.Name() == filepath.Base(draftPath(dst)) || e.Name() == filepath.Base(journalPath(dst)) || isPart(dst, e.Name())) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Clean removes the temporary files that a run which was killed has left beside a target, and returns them and the files that it has kept, with
// which a run can go on: hours of work may be in them. What a run is writing is neither, and so are files of these names that no run seems to have left.
func Clean(dst string) (removed []outfile.Leftover, kept []string) {
	claim, err := outfile.Create(claimPath(dst), outfile.Options{})
	if err != nil {
		return nil, nil // there is a run
	}
	defer claim.Abort()
	removed = claim.Leftovers()
	if len(removed) == 0 && readJournal(dst) == nil {
		return nil, nil
	}
	if draft, err := outfile.Create(draftPath(dst), outfile.Options{Replace: true}); err == nil { // which removes what was written of it
		removed = append(removed, draft.Leftovers()...)
		draft.Abort()
	}
	return removed, Files(dst)
}

// isPart reports whether a name is that of a part of dst's calibration.
func isPart(dst, name string) bool {
	var i, of int
	rest, ok := strings.CutPrefix(name, filepath.Base(dst)+".calibration-")
	n, err := fmt.Sscanf(rest, "%d-of-%d.safetensors", &i, &of)
	return ok && err == nil && n == 2 && name == filepath.Base(partPath(dst, i-1, of))
}

// maxJournal bounds what is read of a file that has a journal's name.
const maxJournal = 64 << 20

// readJournal returns the journal beside a target; nil if there is none that can be read.
func readJournal(dst string) *journal {
	f, err := os.Open(journalPath(dst))
	if err != nil {
		return nil
	}
	defer f.Close()
	j := new(journal)
	if json.NewDecoder(io.LimitReader(f, maxJournal)).Decode(j) != nil {
		return nil
	}
	return j
}

// write replaces the journal.
func (j *journal) write(dst string) error {
	return outfile.Write(journalPath(dst), outfile.Options{Replace: true}, func(w io.Writer) error { return json.NewEncoder(w).Encode(j) })
}

// check drops what is not there any more, or not as it was made. It reports whether anything is left: the draft at least.
func (j *journal) check(ctx context.Context, dst string, vocab int) (bool, error) {
	if ok, err := intact(ctx, draftPath(dst), j.Draft); !ok {
		return false, err
	}
	if len(j.Text) != sequences(j.Tokens, j.Window)*j.Window || slices.ContainsFunc(j.Text, func(id int32) bool { return id < 0 || int(id) >= vocab }) {
		j.Text = nil
	}
	if j.Text == nil || len(j.Calibration) == 0 || len(j.Calibration) > len(j.Parts) { // without any, they can be cut for the memory of this run
		j.Parts, j.Calibration = nil, nil
	}
	for i, f := range j.Calibration {
		ok, err := intact(ctx, partPath(dst, i, len(j.Parts)), f)
		if err != nil {
			return false, err
		}
		if !ok {
			j.Calibration = j.Calibration[:i]
			break
		}
	}
	return true, nil
}

// intact reports whether a file is as it was when it was hashed. The error is a context's.
func intact(ctx context.Context, path string, was format.SourceFile) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != was.Bytes {
		return false, nil
	}
	now, err := hash(ctx, path)
	if err != nil {
		return false, ctx.Err()
	}
	return now == was, nil
}

func hash(ctx context.Context, path string) (format.SourceFile, error) {
	files, err := convert.HashFiles(ctx, []string{path})
	if err != nil {
		return format.SourceFile{}, err
	}
	files[0].Name = filepath.Base(path)
	return files[0], nil
}
