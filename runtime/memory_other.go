//go:build !unix

package runtime

func hugePages([]byte) {}

// discard does nothing: b stays allocated, and the operating system may move it to its page file.
func discard([]byte) {}
