//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package filelock

import "os"

func lock(*os.File, bool) error { return ErrUnsupported }

func unlock(*os.File) error { return ErrUnsupported }
