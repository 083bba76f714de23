package pull

import "os"

// Interrupted is a pull that came to no end, or still runs.
type Interrupted struct {
	Ref    string // that was asked for, as [hub.Ref] writes it
	Commit string
	// Done of Total bytes of weights need not come again.
	Done, Total int64
}

// ReadInterrupted tells of the pull of a file that is not complete; ok is false if there is none that could go on.
func ReadInterrupted(out string) (i Interrupted, ok bool) {
	data, err := os.ReadFile(out + JournalSuffix)
	if err != nil {
		return i, false
	}
	j, _ := parseJournal(out+JournalSuffix, data)
	if j == nil {
		return i, false
	}
	_, position, _, _ := j.last()
	if _, err := os.Stat(out + Suffix); err != nil { // somebody removed it
		position = 0
	}
	return Interrupted{j.header.Ref, j.header.Commit, position, j.header.Total}, true
}
