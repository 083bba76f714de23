package outfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"st/format/filelock"
)

const temporarySuffix = ".tmp"

func temporaryName(path string, pid int, serial int64) string {
	return fmt.Sprintf("%s.%d-%d%s", path, pid, serial, temporarySuffix)
}

// parseTemporary returns the process that writes a temporary file of path, by the file's name, and the number it gave the file; 0 if it is
// none.
func parseTemporary(path, name string) (pid int, serial int64) {
	rest, ok := strings.CutPrefix(name, filepath.Base(path)+".")
	rest, suffix := strings.CutSuffix(rest, temporarySuffix)
	a, b, dash := strings.Cut(rest, "-")
	pid, errPID := strconv.Atoi(a)
	serial, errSerial := strconv.ParseInt(b, 10, 64)
	if !ok || !suffix || !dash || errPID != nil || errSerial != nil || pid < 1 || serial < 1 {
		return 0, 0
	}
	return pid, serial
}

// others returns the other temporary files of the same output. A directory that cannot be listed is taken for one that has none.
func (f *File) others() (all []string) {
	dir := filepath.Dir(f.path)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if pid, _ := parseTemporary(f.path, e.Name()); pid > 0 && e.Type().IsRegular() && e.Name() != filepath.Base(f.temp) {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

// removeDead removes temporary files of path that nobody writes any more. The error is about one that somebody does.
func removeDead(path string, temporaries []string) (removed []Leftover, err error) {
	for _, name := range temporaries {
		info, e := os.Lstat(name)
		if e != nil {
			continue // it is gone
		}
		pid, serial := parseTemporary(path, filepath.Base(name))
		if inUse(name, pid, serial) {
			return removed, fmt.Errorf("%s %w: process %d", path, ErrBusy, pid)
		}
		if os.Remove(name) == nil {
			removed = append(removed, Leftover{name, info.Size()})
		}
	}
	return removed, nil
}

// inUse reports whether a temporary file is being written. Whoever writes it holds its lock, be it on another machine or in another
// container; the number of its process, which may be another one's by now, counts where there are no locks.
func inUse(name string, pid int, serial int64) bool {
	if pid == os.Getpid() {
		_, writing := own.Load(serial)
		return writing
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return alive(pid)
	}
	defer f.Close()
	switch ok, err := filelock.TryLock(f); {
	case err != nil:
		return alive(pid)
	case ok && !lockedToTheEnd:
		return alive(pid)
	default:
		return !ok
	}
}
