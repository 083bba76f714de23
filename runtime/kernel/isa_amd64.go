//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

const (
	avx2   = "avx2"
	avx512 = "avx512" // with VNNI
)

// useAVX2 and useAVX512 are what the kernels branch on: unlike a call through a variable, a branch lets their arguments stay
// on the stack. With AVX-512 both are set: where it brings nothing, there is no kernel of its own.
var useAVX2, useAVX512 bool

// isas returns the instruction sets that this CPU has kernels for, the best last.
func isas() []string {
	x := &cpu.X86
	names := []string{generic}
	if x.HasAVX2 && x.HasFMA && x.HasF16C {
		names = append(names, avx2)
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI {
			names = append(names, avx512)
		}
	}
	return names
}

func use(name string) {
	isa = name
	useAVX2 = name == avx2 || name == avx512
	useAVX512 = name == avx512
}
