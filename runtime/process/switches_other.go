//go:build !unix

package process

// Switches is not known here.
func Switches() (voluntary, involuntary int64) { return 0, 0 }
