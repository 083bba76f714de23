package process

import "golang.org/x/sys/unix"

// CPU returns the processor's name, as far as the system tells.
func CPU() string {
	name, _ := unix.Sysctl("machdep.cpu.brand_string")
	return name
}
