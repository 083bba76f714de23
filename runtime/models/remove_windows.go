package models

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isInUse reports whether an error of os.Remove is about a file that is open or mapped.
func isInUse(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_USER_MAPPED_FILE)
}
