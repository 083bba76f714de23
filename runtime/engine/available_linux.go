package engine

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// AddressSpace is what [AllowedMemory] names where the limit of the process's address space allows least.
const AddressSpace = "ulimit -v"

// AllowedMemory returns the bytes that the process can have without pushing others out, by the kernel's estimate, the limits of its control
// groups (versions 1 and 2) and that of its address space, and where the number comes from; 0 if it is not known.
func AllowedMemory() (bytes int64, from string) {
	return kernelFiles{"/proc", "/sys/fs/cgroup"}.allowed()
}

// MemoryPressure returns how scarce memory is.
func MemoryPressure() Pressure { return kernelFiles{"/proc", "/sys/fs/cgroup"}.pressure() }

func (k kernelFiles) pressure() (p Pressure) {
	own, _ := field(path.Join(k.proc, "self/status"), "RssAnon:")
	p.Own = own << 10
	meminfo := path.Join(k.proc, "meminfo")
	if free, ok := field(meminfo, "MemAvailable:"); ok {
		total, _ := field(meminfo, "MemTotal:")
		p.Free, p.Limit = free<<10, total<<10
	}
	p.Stalled = stalled(path.Join(k.proc, "pressure/memory"))
	for _, g := range k.controlGroups() {
		p.Stalled = max(p.Stalled, stalled(path.Join(g.dir, "memory.pressure")))
		free, limit, ok := g.available()
		if !ok {
			continue
		}
		if p.Group == 0 || limit < p.Group {
			p.Group = limit
		}
		if p.Limit == 0 || free < p.Free {
			p.Free, p.Limit = free, limit
		}
	}
	return p
}

// stalled reads for how long some task has waited: "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds. Version 1 has none.
func stalled(name string) time.Duration {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	_, total, _ := strings.Cut(line, "total=")
	n, _ := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
	return time.Duration(n) * time.Microsecond
}

// kernelFiles are the directories in which the kernel tells about memory.
type kernelFiles struct{ proc, groups string }

func (k kernelFiles) allowed() (bytes int64, from string) {
	// What the process has itself. Pages of files are not counted: those in memory are available, also the process's own.
	own, _ := field(path.Join(k.proc, "self/status"), "RssAnon:")
	own <<= 10
	bytes = math.MaxInt64
	if n, ok := field(path.Join(k.proc, "meminfo"), "MemAvailable:"); ok {
		bytes, from = n<<10+own, "the system"
	}
	for _, g := range k.controlGroups() {
		// Not all that the process has need be charged to the group: it may have come from another one.
		if free, limit, ok := g.available(); ok && min(free+own, limit) < bytes {
			bytes, from = max(1, min(free+own, limit)), "its control group"
		}
	}
	if left, ok := k.addressSpace(); ok && left+own < bytes {
		bytes, from = max(1, left+own), AddressSpace
	}
	if from == "" {
		return 0, ""
	}
	return bytes, from
}

// spareAddresses is the address space that Go takes for its heap to grow, in arenas of 64 MiB.
const spareAddresses = 128 << 20

// addressSpace returns what is left of the address space that the process may have, if that is limited.
func (k kernelFiles) addressSpace() (left int64, limited bool) {
	limit, ok := field(path.Join(k.proc, "self/limits"), "Max address space")
	if !ok {
		return 0, false // "unlimited"
	}
	taken, ok := field(path.Join(k.proc, "self/status"), "VmSize:")
	return limit - taken<<10 - spareAddresses, ok
}

// controlGroup is a directory of a memory controller, and the names of its files.
type controlGroup struct{ dir, limit, high, usage, active, inactive string }

// controlGroups returns the process's control groups of memory and those that they are in.
func (k kernelFiles) controlGroups() (all []controlGroup) {
	for _, g := range k.groupsOf("memory") {
		names := controlGroup{limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", active: "total_active_file", inactive: "total_inactive_file"}
		if g.unified {
			names = controlGroup{limit: "memory.max", high: "memory.high", usage: "memory.current", active: "active_file", inactive: "inactive_file"}
		}
		names.dir = g.dir
		all = append(all, names)
	}
	return all
}

// group is the directory of a control group; unified: of version 2.
type group struct {
	dir     string
	unified bool
}

// groupsOf returns the process's control groups of a controller and those that they are in.
func (k kernelFiles) groupsOf(controller string) (all []group) {
	text, err := os.ReadFile(path.Join(k.proc, "self/cgroup"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		g, root := group{unified: true}, k.groups
		switch {
		case parts[1] == "":
		case strings.Contains(","+parts[1]+",", ","+controller+","):
			g.unified = false
			root += "/" + controller
		default:
			continue
		}
		// In a container the path may be that of the host, and the group the root of what is seen.
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			g.dir = root + dir
			all = append(all, g)
			if dir == "/" {
				break
			}
		}
	}
	return all
}

// available returns what is left below the group's limit, and the limit; cached files, which can be given up, count as left.
func (g controlGroup) available() (free, limit int64, ok bool) {
	limit, ok = number(path.Join(g.dir, g.limit))
	if high, throttles := number(path.Join(g.dir, g.high)); g.high != "" && throttles && (!ok || high < limit) {
		limit, ok = high, true // beyond it the kernel takes memory back, and slows down those who want more
	}
	if !ok || limit > 1<<60 {
		return 0, 0, false // none
	}
	usage, ok := number(path.Join(g.dir, g.usage))
	if !ok {
		return 0, 0, false
	}
	stat := path.Join(g.dir, "memory.stat")
	active, _ := field(stat, g.active+" ")
	inactive, _ := field(stat, g.inactive+" ")
	return limit - max(0, usage-active-inactive), limit, true
}

// number reads a file that holds one number. "max" is none.
func number(name string) (int64, bool) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// field reads the number after a label at the beginning of a line.
func field(name, label string) (int64, bool) {
	f, err := os.Open(name)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), label); ok {
			var n int64
			_, err := fmt.Sscan(rest, &n)
			return n, err == nil
		}
	}
	return 0, false
}
