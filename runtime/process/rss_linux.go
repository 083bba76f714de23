package process

import (
	"fmt"
	"os"
	"strings"
)

// PeakRSS returns the most memory that the process ever had resident, mapped weights counted in; 0 if it is not known.
func PeakRSS() int64 { return statusBytes("VmHWM:") }

// currentRSS returns the memory that is resident now; 0 if it is not known.
func currentRSS() int64 { return statusBytes("VmRSS:") }

// statusBytes returns a size out of the kernel's account of this process.
func statusBytes(label string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), label)
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}
