//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

const (
	avx2    = "avx2"
	avxVNNI = "avxvnni" // AVX2 with the 256-bit form of VNNI, on CPUs without AVX-512 (Alder Lake and later)
	avx512  = "avx512"  // with VNNI
)

// useAVX2, useVNNI and useAVX512 are what the kernels branch on: unlike a call through a variable, a branch lets their arguments stay
// on the stack. With AVX-VNNI or AVX-512, useAVX2 is set too: where they bring nothing, there is no kernel of their own.
var useAVX2, useVNNI, useAVX512 bool

// isas returns the instruction sets that this CPU has kernels for, the best last.
func isas() []string {
	x := &cpu.X86
	names := []string{generic}
	if x.HasAVX2 && x.HasFMA && x.HasF16C && x.HasBMI1 {
		names = append(names, avx2)
		if x.HasAVXVNNI {
			names = append(names, avxVNNI)
		}
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI {
			names = append(names, avx512)
		}
	}
	return names
}

func use(name string) {
	isa = name
	useAVX2 = name != generic
	useVNNI = name == avxVNNI
	useAVX512 = name == avx512
}
