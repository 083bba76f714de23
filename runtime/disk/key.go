package disk

import (
	"fmt"
	"os"
)

// Key identifies the disk, or the file system of another machine, that a file lies on, and the machine that reads it. It changes when either does.
func Key(path string) (string, error) {
	id, err := device(path)
	if err != nil {
		return "", err
	}
	host, _ := os.Hostname()
	return fmt.Sprintf("host=%q %s", host, id), nil
}
