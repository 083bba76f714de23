package kernel

import (
	"fmt"
	"slices"
	"strings"

	"st/quant"
)

// generic is the name of the plain Go kernels, which every build has.
const generic = "generic"

// isa is the instruction set in use, the last of isas() until Select chooses another.
var isa string

func init() {
	all := isas()
	use(all[len(all)-1])
}

// ISA returns the name of the instruction set that the kernels use.
func ISA() string { return isa }

// Select makes the kernels use an instruction set, or the best one if name is empty: "generic" is plain Go; "avx2" and "avx512"
// (with VNNI) are for amd64, "neon" and "dotprod" for arm64. Encoding follows. It must not be called while kernels run.
func Select(name string) error {
	all := isas()
	switch {
	case name == "":
		name = all[len(all)-1]
	case !slices.Contains(all, name):
		return fmt.Errorf("instruction set %q is unknown or not available: choose one of %s", name, strings.Join(all, ", "))
	}
	use(name)
	quant.UseSIMD(name != generic)
	return nil
}
