//go:build !linux

package process

// ReadProcessors is not known here.
func ReadProcessors() (Processors, bool) { return Processors{}, false }
