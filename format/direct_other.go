//go:build !linux && !darwin

package format

// openDirect opens the file in the ordinary way: what is cached is the operating system's, and it is given up when memory is
// needed.
func (f osFile) openDirect() (File, bool, error) {
	again, err := reopen(f.File, 0)
	return osFile{again}, false, err
}
