package pull

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"st/convert"
	"st/convert/hub"
)

// journal remembers what was done of a file that is being made, so that another process can go on. It lies beside the file, and is a text: each
// line is a checksum and a JSON object, the first of them a header. A line is written when what it tells is in the file; whether it still is so
// after the machine has failed is found out by comparing checksums: see [convert.Stream.Verify]. The lines after the first that is damaged, or
// that tells of what is not in the file, do not count.
type journal struct {
	path   string
	file   *os.File
	header header
	states []state // one for each line, in their order
	synced time.Time
}

// header tells what is being made.
type header struct {
	Version int        `json:"version"`
	Ref     string     `json:"ref"`      // that was asked for
	ID      string     `json:"id"`       // of the repository
	Commit  string     `json:"commit"`   // that it is pinned to
	Path    string     `json:"path"`     // of the GGUF file; "": a checkpoint
	Files   []hub.File `json:"files"`    // of the repository
	What    string     `json:"identity"` // see [convert.Stream.Identity]
	Differ  bool       `json:"heads_differ,omitempty"`
	Total   int64      `json:"total"` // bytes of weights
	Created time.Time  `json:"created"`
}

const journalVersion = 1

// entry is what a line adds.
type entry struct {
	Done     []result          `json:"done,omitempty"` // of jobs, after those of the lines before
	Position int64             `json:"position"`       // from which on the source is needed
	Hash     *hub.HashState    `json:"hash,omitempty"` // of the file in which that is, up to there
	Sums     map[string]string `json:"sums,omitempty"` // SHA-256 of files that are complete
	Drop     bool              `json:"drop,omitempty"` // begin anew with the jobs of an earlier line: those that are in Keep
	Keep     int               `json:"keep,omitempty"` // number of lines that stay
}

type result [2]uint64 // sum, weights that are not finite

// state is what all lines up to one say.
type state struct {
	jobs     int
	position int64
	hash     *hub.HashState
	entry    entry
}

// openJournal reads a journal; nil if there is none that can be used.
func openJournal(path string) (*journal, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j, good := parseJournal(path, data)
	if j == nil {
		return nil, nil
	}
	if j.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if err := j.file.Truncate(int64(good)); err != nil {
		j.file.Close()
		return nil, err
	}
	_, err = j.file.Seek(int64(good), 0)
	return j, err
}

// parseJournal reads what a journal holds, up to the first line that is damaged, and returns how many bytes that is; nil if it is of another version,
// or holds nothing.
func parseJournal(path string, data []byte) (j *journal, good int) {
	j = &journal{path: path, synced: time.Now()}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for first := true; lines.Scan(); first = false {
		text, ok := checked(lines.Bytes())
		if !ok || good+len(lines.Bytes())+1 > len(data) {
			break
		}
		if first {
			if err := json.Unmarshal(text, &j.header); err != nil || j.header.Version != journalVersion {
				return nil, 0
			}
		} else {
			var e entry
			if json.Unmarshal(text, &e) != nil || !j.add(e) {
				break
			}
		}
		good += len(lines.Bytes()) + 1
	}
	if good == 0 {
		return nil, 0
	}
	return j, good
}

// add takes a line in.
func (j *journal) add(e entry) bool {
	if e.Drop {
		if e.Keep < 0 || e.Keep > len(j.states) {
			return false
		}
		j.states = j.states[:e.Keep]
		return true
	}
	s := state{jobs: len(e.Done), position: e.Position, hash: e.Hash, entry: e}
	if n := len(j.states); n > 0 {
		s.jobs += j.states[n-1].jobs
	}
	j.states = append(j.states, s)
	return true
}

// newJournal begins one, in place of what is there.
func newJournal(path string, h header) (*journal, error) {
	h.Version, h.Created = journalVersion, time.Now().UTC().Truncate(time.Second)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, file: f, header: h, synced: time.Now()}
	return j, j.line(h)
}

func (j *journal) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line := fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text)
	if _, err := j.file.Write(line); err != nil {
		return fmt.Errorf("write %s: %w", j.path, err)
	}
	return nil
}

// checked returns a line's text if its checksum is right.
func checked(line []byte) ([]byte, bool) {
	sum, text, ok := bytes.Cut(line, []byte(" "))
	n, err := strconv.ParseUint(string(sum), 16, 32)
	return text, ok && err == nil && uint32(n) == crc32.ChecksumIEEE(text)
}

// write adds a line.
func (j *journal) write(e entry) error {
	if err := j.line(e); err != nil {
		return err
	}
	if !j.add(e) {
		return fmt.Errorf("%s: a line that cannot be", j.path)
	}
	return nil
}

// keep drops all lines but the first n.
func (j *journal) keep(n int) error {
	if n == len(j.states) {
		return nil
	}
	return j.write(entry{Drop: true, Keep: n})
}

// last returns what was done, and what is known of the source.
func (j *journal) last() (done []convert.JobResult, position int64, hash *hub.HashState, sums map[string]string) {
	sums = map[string]string{}
	for _, s := range j.states {
		for _, r := range s.entry.Done {
			done = append(done, convert.JobResult{Sum: r[0], Nonfinite: int64(r[1])})
		}
		for name, sum := range s.entry.Sums {
			sums[name] = sum
		}
		position, hash = s.position, s.hash
	}
	return done, position, hash, sums
}

// before returns how many lines tell of no more than a number of jobs, and of a position that is not after another.
func (j *journal) before(jobs int, position int64) int {
	i := slices.IndexFunc(j.states, func(s state) bool { return s.jobs > jobs || s.position > position })
	if i < 0 {
		return len(j.states)
	}
	return i
}

// sync brings the file and then the journal to the disk, now and then: so much is not done again when the machine fails.
func (j *journal) sync(file interface{ Sync() error }) error {
	const every = 30 * time.Second
	if time.Since(j.synced) < every {
		return nil
	}
	j.synced = time.Now()
	if err := file.Sync(); err != nil {
		return err
	}
	return j.file.Sync()
}

func (j *journal) close() {
	if j != nil && j.file != nil {
		j.file.Close()
	}
}

// remove closes it and removes it.
func (j *journal) remove() error {
	j.close()
	return os.Remove(j.path)
}
