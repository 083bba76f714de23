package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"st/format/outfile"
)

// usageFile is what lies beside a model that cannot be written to.
type usageFile struct {
	// Directory is the checksum of the model's directory, which tells that the file belongs to it.
	Directory string `json:"directory"`
	Usage
}

// UsagePath returns the name of the file beside a model in which its usage is recorded if the model cannot be written to.
func UsagePath(model string) string { return model + ".experts" }

func (r *Reader) directoryID() string {
	s, _ := r.section(sectionDirectory)
	return fmt.Sprintf("%016x", s.Checksum)
}

// maxUsageFile bounds the length of such a file: 20 bytes an expert are enough, of which models have some thousands.
const maxUsageFile = 4 << 20

func (r *Reader) readUsageFile() (*Usage, error) {
	path := UsagePath(r.path)
	text, err := readRegular(path, maxUsageFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, ErrCorrupt):
		return nil, fmt.Errorf("%s: %w; remove it", path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	return r.parseUsageFile(path, text)
}

// parseUsageFile reads what such a file holds; nil if it belongs to another model.
func (r *Reader) parseUsageFile(path string, text []byte) (*Usage, error) {
	var f usageFile
	if err := json.Unmarshal(text, &f); err != nil || f.Directory == r.directoryID() && len(f.Uses) != len(r.experts) {
		return nil, fmt.Errorf("%s: %w: this is no record of experts; remove it", path, ErrCorrupt)
	}
	if f.Directory != r.directoryID() {
		return nil, nil // of another model that had the name
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w; remove it", path, ErrCorrupt, err)
	}
	return &f.Usage, nil
}

// readRegular reads a file of some length at most. What is no file, such as a pipe, is not opened: that could wait for ever.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: this is no regular file", ErrCorrupt)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%w: this is no record of experts: it has more than %d bytes", ErrCorrupt, most)
	}
	return text, err
}

// recordBeside records in the file beside the model, which is locked.
func (r *Reader) recordBeside(add *Usage) (string, error) {
	path := UsagePath(r.path)
	u, err := r.readUsageFile()
	if err != nil {
		return "", err
	}
	if u == nil {
		u = &Usage{Uses: make([]int64, len(r.experts))}
	}
	u.Add(add)
	text, err := json.Marshal(usageFile{r.directoryID(), *u})
	if err != nil {
		return "", err
	}
	err = outfile.Write(path, outfile.Options{Replace: true}, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return "", err
	}
	return path, nil
}
