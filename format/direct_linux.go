package format

import "golang.org/x/sys/unix"

// openDirect opens the file with O_DIRECT, and makes sure that it can be read so: some file systems find out only then.
func (f osFile) openDirect() (File, bool, error) {
	if direct, err := reopen(f.File, unix.O_DIRECT); err == nil {
		if _, err := direct.ReadAt(AlignedBytes(Alignment), 0); err == nil {
			return osFile{direct}, true, nil
		}
		direct.Close()
	}
	again, err := reopen(f.File, 0)
	if err != nil {
		return nil, false, err
	}
	return droppingFile{osFile{again}}, false, nil
}

// droppingFile drops from the page cache what was read.
type droppingFile struct{ osFile }

func (f droppingFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.osFile.ReadAt(b, at)
	_ = unix.Fadvise(int(f.Fd()), at, int64(n), unix.FADV_DONTNEED) // a hint
	return n, err
}
