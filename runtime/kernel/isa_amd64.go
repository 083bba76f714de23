//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

const avx2 = "avx2"

// useAVX2 is what the kernels branch on: unlike a call through a variable, a branch lets their arguments stay on the stack.
var useAVX2 bool

// isas returns the instruction sets that this CPU has kernels for, the best last.
func isas() []string {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C {
		return []string{generic, avx2}
	}
	return []string{generic}
}

func use(name string) {
	isa = name
	useAVX2 = name == avx2
}
