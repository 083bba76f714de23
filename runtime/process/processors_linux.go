package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ReadProcessors returns what the process had of the processors; false: the system does not tell.
func ReadProcessors() (p Processors, ok bool) {
	p.at = time.Now()
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, path := range tasks {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(data), &ran, &waited); err != nil {
			return Processors{}, false
		}
		p.Ran, p.Waited, ok = p.Ran+time.Duration(ran), p.Waited+time.Duration(waited), true
	}
	p.Stolen = stolen()
	return p, ok && p.Ran > 0
}

// tick is the unit of times in /proc/stat, on all architectures.
const tick = time.Second / 100

// stolen reads the first line of /proc/stat: cpu user nice system idle iowait irq softirq steal.
func stolen() time.Duration {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[8]), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n) * tick / time.Duration(max(1, bytes.Count(data, []byte("\ncpu"))))
}
