package process

import (
	"bufio"
	"os"
	"strings"
)

// CPU returns the processor's name, as far as the system tells.
func CPU() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	var parts []string // where there is no name, on ARM: the numbers of maker and model
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "model name":
			return value
		case "CPU implementer", "CPU part":
			parts = append(parts, value)
		}
	}
	return strings.Join(parts, " ")
}
