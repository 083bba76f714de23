package disk

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// device tells what Linux knows of a file's device.
func device(path string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	number := fmt.Sprintf("%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev))
	id := "device=" + number
	if d := blockDevice("/sys", number); d != "" {
		return id + d, nil
	}
	// A file system that has no block device, or several: of another machine, in memory, or btrfs.
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return id, nil
	}
	defer f.Close()
	full, err := filepath.EvalSymlinks(path)
	if err == nil {
		full, err = filepath.Abs(full)
	}
	if err != nil {
		return "", err
	}
	return id + mount(f, number, full), nil
}

// blockDevice tells what the kernel knows of a block device: that of a disk, for a partition too. Empty: it knows none of that number.
func blockDevice(sys, number string) (id string) {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev/block", number))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	id = fmt.Sprintf(" disk=%q", filepath.Base(dir))
	for _, name := range []string{"device/model", "device/serial", "serial", "device/wwid", "wwid", "dm/uuid", "md/uuid", "loop/backing_file", "size", "queue/rotational"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil && len(b) <= 256 {
			id += fmt.Sprintf(" %s=%q", name, strings.TrimSpace(string(b)))
		}
	}
	return id
}

// mount tells what is mounted where a file lies: by the device's number or, where mounts do not tell that, the longest path that leads to it.
func mount(mounts io.Reader, number, path string) (id string) {
	longest := -1
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		before, after, ok := strings.Cut(lines.Text(), " - ")
		a, b := strings.Fields(before), strings.Fields(after)
		if !ok || len(a) < 5 || len(b) < 2 {
			continue
		}
		at := strings.TrimSuffix(a[4], "/")
		n := len(at)
		if a[2] == number {
			n += 1 << 20
		} else if path != at && !strings.HasPrefix(path, at+"/") {
			continue
		}
		if n > longest {
			longest, id = n, fmt.Sprintf(" mount=%q type=%s source=%q", a[4], b[0], b[1])
		}
	}
	return id
}
