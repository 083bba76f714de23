// Package uring reads files with Linux's io_uring: several reads are in flight without a thread for each, and whoever computes looks for those that
// have ended, which is a load from memory.
//
//	ring, err := uring.New(16)
//	if err != nil {
//		return err // ErrUnsupported: read with threads
//	}
//	defer ring.Close()
//	ring.Read(fd, buf, offset, 7) // queued
//	if err := ring.Submit(); err != nil {
//		return err
//	}
//	for !ring.Ready() {
//		compute()
//	}
//	ring.Completions(func(id uint64, n int, err error) { … }) // 7, the bytes that were read
//
// [Ring.Wake] may be called by any goroutine at any time, [Ring.Ready], [Ring.Read], [Ring.Submit] and [Ring.Stop] by any until Close, [Ring.Completions] and
// [Ring.Wait] by one at a time.
//
// Buffers must be memory outside Go's heap, or stay alive and in place, until their read has ended, also when the ring is closed: [Ring.InFlight] tells
// how many have not. Reads of a file on disk cannot be called back.
//
// Kernels before 5.11 and systems other than Linux on amd64 and arm64 have no io_uring that is used here; containers often refuse it (seccomp), and so
// does the setting kernel.io_uring_disabled. Then [New] returns [ErrUnsupported] with the reason.
package uring
