package process

import (
	goruntime "runtime"
	"runtime/debug"
)

// programBytes is about what the program's code takes, where only the memory that Go manages is known.
const programBytes = 16 << 20

// Resident returns the memory that the process takes now, garbage given back before.
func Resident() int64 {
	debug.FreeOSMemory()
	if n := currentRSS(); n > 0 {
		return n
	}
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.Sys-m.HeapReleased) + programBytes
}
