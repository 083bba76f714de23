//go:build !noasm

package kernel

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

const (
	neon    = "neon"    // what every arm64 CPU has
	dotprod = "dotprod" // NEON with SDOT: Apple's, Cortex-A55 and A76, and later ones
)

// useNEON and useDotProd are what the kernels branch on; the second implies the first.
var useNEON, useDotProd bool

// isas returns the instruction sets that this CPU has kernels for, the best last.
func isas() []string {
	// macOS reports dot products since version 12; every Mac with an arm64 CPU has them.
	if cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" {
		return []string{generic, neon, dotprod}
	}
	return []string{generic, neon}
}

func use(name string) {
	isa = name
	useDotProd = name == dotprod
	useNEON = name == neon || useDotProd
}
