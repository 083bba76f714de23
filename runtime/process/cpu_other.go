//go:build !linux && !darwin

package process

import "os"

// CPU returns the processor's name, as far as the system tells.
func CPU() string { return os.Getenv("PROCESSOR_IDENTIFIER") } // Windows sets it
