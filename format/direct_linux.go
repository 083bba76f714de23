package format

import (
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens the file with O_DIRECT, and makes sure that it can be read so: some file systems find out only then, and those
// in memory take the flag and have nothing but the page cache.
func (f osFile) openDirect() (File, bool, error) {
	if direct, err := reopen(f.File, unix.O_DIRECT); err == nil {
		if _, err := direct.ReadAt(AlignedBytes(Alignment), 0); err == nil && !inMemory(direct) {
			return pastCache{osFile{direct}}, true, nil
		}
		direct.Close()
	}
	again, err := reopen(f.File, 0)
	if err != nil {
		return nil, false, err
	}
	return droppingFile{osFile{again}}, false, nil
}

// inMemory reports whether the file is on a file system that keeps its files in the page cache only.
func inMemory(f *os.File) bool {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return false
	}
	kind := uint32(s.Type) // whose width and sign depend on the architecture
	return kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC
}

// droppingFile drops from the page cache what was read.
type droppingFile struct{ osFile }

func (f droppingFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.osFile.ReadAt(b, at)
	_ = unix.Fadvise(int(f.Fd()), at, int64(n), unix.FADV_DONTNEED) // a hint
	return n, err
}
