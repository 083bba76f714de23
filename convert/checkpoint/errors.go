package checkpoint

import (
	"fmt"
	"strconv"
)

// Names and messages that come out of a file may be megabytes long or hold line breaks; errors are one readable line.
const maxShown = 200

// quote shows text from a file in an error.
func quote(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(s[:maxShown]) + "…"
	}
	return strconv.Quote(s)
}

// oneLine shows the message of another package's error, which may cite text from a file.
func oneLine(err error) string {
	q := quote(err.Error())
	if len(err.Error()) > maxShown {
		return q
	}
	return q[1 : len(q)-1]
}

// tensorError names the file and the tensor that a problem belongs to.
func tensorError(file, tensor, format string, args ...any) error {
	return fmt.Errorf("%s: tensor %s: %w", file, quote(tensor), fmt.Errorf(format, args...))
}

const (
	downloadAgain = "download it again"
	saveAgain     = `save it again with torch.save(model.state_dict(), "pytorch_model.bin")`
)
