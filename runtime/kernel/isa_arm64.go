//go:build !noasm

package kernel

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

const (
	neon    = "neon"    // what every arm64 CPU has
	dotprod = "dotprod" // NEON with SDOT: Apple's, Cortex-A55 and A76, and later ones
	i8mm    = "i8mm"    // and SMMLA, for prompts: Apple's M2, Neoverse N2 and V1, Cortex-A510 and X2, and later ones
)

// useNEON, useDotProd and useI8MM are what the kernels branch on; each implies those before it.
var useNEON, useDotProd, useI8MM bool

// isas returns the instruction sets that this CPU has kernels for, the best last.
func isas() []string {
	names := []string{generic, neon}
	// macOS reports dot products since version 12; every Mac with an arm64 CPU has them.
	if cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" {
		names = append(names, dotprod)
		if cpu.ARM64.HasI8MM {
			names = append(names, i8mm)
		}
	}
	return names
}

func use(name string) {
	isa = name
	useI8MM = name == i8mm
	useDotProd = name == dotprod || useI8MM
	useNEON = name == neon || useDotProd
}
