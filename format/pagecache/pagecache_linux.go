package pagecache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Piece is the size of a large piece.
	Piece = 2 << 20
	// samples is how many pieces of a mapping are looked at.
	samples = 64
	// step is how much is read at a time: the context is looked at in between.
	step = 4 << 20
)

// Prefer asks that a page that is not in memory comes with the large piece that it is in.
func Prefer(mapped []byte) { _ = unix.Madvise(mapped, unix.MADV_HUGEPAGE) }

// Share returns how much of a mapping of a file is in memory, and how much of that in large pieces, each from 0 to 1, by a sample. It leaves the
// sample's page table entries behind: see [Unmap]. ok is false if the system does not tell.
func Share(mapped []byte) (cached, large float64, ok bool) {
	pieces := len(mapped) / Piece
	first := (Piece - int(uintptr(unsafe.Pointer(unsafe.SliceData(mapped)))%Piece)) % Piece
	if pieces < 2 {
		return 0, 0, false
	}
	n := min(samples, pieces-1)
	seen := 0
	resident := make([]byte, Piece/os.Getpagesize())
	for i := range n {
		piece := mapped[first+i*(pieces-1)/n*Piece:][:Piece]
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(piece))), Piece, uintptr(unsafe.Pointer(unsafe.SliceData(resident))))
		if errno != 0 {
			return 0, 0, false
		}
		if bytes.IndexByte(resident, 0) >= 0 {
			continue
		}
		if unix.Madvise(piece, unix.MADV_POPULATE_READ) != nil {
			return 0, 0, false
		}
		seen++
	}
	if seen == 0 {
		return 0, 0, true
	}
	present, huge, err := entries(mapped)
	if err != nil || present == 0 {
		return 0, 0, false
	}
	return float64(seen) / float64(n), float64(huge) / float64(present), true
}

// ShareOf is [Share] for n bytes of a file, from offset on, a multiple of [Piece], that are mapped for that alone: what lies in the page tables of
// another mapping does not count.
func ShareOf(f *os.File, offset, n int64) (cached, large float64, ok bool) {
	mapped, err := unix.Mmap(int(f.Fd()), offset, int(n), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return 0, 0, false
	}
	defer unix.Munmap(mapped)
	Prefer(mapped)
	return Share(mapped)
}

// Mapped returns how many bytes of a mapping the page tables have, and how many of those by entries for large pieces.
func Mapped(mapped []byte) (present, large int64, err error) { return entries(mapped) }

// largeFields are what smaps calls entries for large pieces: of a file, of one in memory alone, and of a copy (see [Replace]).
var largeFields = [][]byte{[]byte("FilePmdMapped:"), []byte("ShmemPmdMapped:"), []byte("AnonHugePages:")}

// entries adds up what /proc/self/smaps says of the areas of a mapping.
func entries(mapped []byte) (present, large int64, err error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	from := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mapped))))
	to := from + uint64(len(mapped))
	inside := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Bytes()
		var a, b uint64
		if n, _ := fmt.Sscanf(string(line[:min(len(line), 40)]), "%x-%x ", &a, &b); n == 2 {
			inside = a < to && b > from
			continue
		}
		var kib int64
		switch {
		case !inside:
		case bytes.HasPrefix(line, []byte("Rss:")):
			fmt.Sscanf(string(line[4:]), "%d", &kib)
			present += kib << 10
		default:
			for _, field := range largeFields {
				if rest, ok := bytes.CutPrefix(line, field); ok {
					fmt.Sscanf(string(rest), "%d", &kib)
					large += kib << 10
				}
			}
		}
	}
	return present, large, lines.Err()
}

// Unmap takes a mapping's pages out of the page tables: they stay in memory, and come back when they are touched. Only then can [Forget] let
// them go.
func Unmap(mapped []byte) { _ = unix.Madvise(mapped, unix.MADV_DONTNEED) }

// Forget writes n bytes of a file, from offset on, to the disk, if they are not there yet, and lets their pages go, as far as no mapping has
// them.
func Forget(f *os.File, offset, n int64) error {
	fd := int(f.Fd())
	err := unix.SyncFileRange(fd, offset, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	return errors.Join(err, unix.Fadvise(fd, offset, n, unix.FADV_DONTNEED))
}

// readers is how many steps are read at the same time: a disk is faster then.
const readers = 4

// Read brings n bytes of a file, from offset on, a multiple of pages, into memory in large pieces. It copies nothing. It stops when the context ends,
// or the file.
//
// What is read by system calls has large pieces only after some 16 MiB in a row, and small ones again when somebody else reads the same open file. A
// fault in a mapping that asks for large pieces brings one each time. The mappings are for that alone, so the pages are not counted as the process's.
func Read(ctx context.Context, f *os.File, offset, n int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := min(offset+n, info.Size())
	var next atomic.Int64
	var reading sync.WaitGroup
	errs := make([]error, readers)
	for i := range readers {
		reading.Go(func() {
			for errs[i] == nil {
				at := offset + next.Add(step) - step
				if at >= end {
					return
				}
				if errs[i] = ctx.Err(); errs[i] == nil {
					errs[i] = fault(f, at, int(min(step, end-at)))
				}
			}
		})
	}
	reading.Wait()
	return errors.Join(errs...)
}

// fault brings a part of a file into memory by faults of a mapping.
func fault(f *os.File, offset int64, n int) error {
	mapped, err := unix.Mmap(int(f.Fd()), offset, n, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	Prefer(mapped)
	err = unix.Madvise(mapped, unix.MADV_POPULATE_READ)
	return errors.Join(err, unix.Munmap(mapped))
}
