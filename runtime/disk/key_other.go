//go:build !unix && !windows

package disk

import (
	"errors"
	"fmt"
)

// device knows nothing of devices.
func device(path string) (string, error) {
	return "", fmt.Errorf("the disk of %s: %w", path, errors.ErrUnsupported)
}
