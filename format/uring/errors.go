package uring

import "errors"

// ErrUnsupported is about a system that has no io_uring, or refuses it.
var ErrUnsupported = errors.New("io_uring is not available")
