//go:build !linux

package grammar_test

import "time"

var begun = time.Now()

// threadTime is the time that has passed.
func threadTime() time.Duration { return time.Since(begun) }
