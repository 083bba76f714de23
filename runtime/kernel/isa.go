package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"st/quant"
)

// generic is the name of the plain Go kernels, which every build has.
const generic = "generic"

var (
	isa    string // the instruction set in use
	isaErr error  // what was wrong with ST_ISA
)

func init() { isaErr = start(os.Getenv("ST_ISA")) }

// start selects the instruction set that the environment names. If that fails, the best one is in use.
func start(name string) error {
	if err := Select(""); err != nil {
		return err
	}
	if err := Select(name); err != nil {
		return fmt.Errorf("ST_ISA: %w", err)
	}
	return nil
}

// ISA returns the name of the instruction set that the kernels use. It is chosen once, when the program starts: the one that
// the environment variable ST_ISA names, or the best that the CPU has.
func ISA() string { return isa }

// Err returns an error if ST_ISA names an instruction set that is unknown or that this CPU does not have. The kernels work
// all the same, with the best one; callers that obey the user return the error before they compute.
func Err() error { return isaErr }

// Select makes the kernels use an instruction set, or the best one if name is empty: "generic" is plain Go; "avx2", "avxvnni"
// and "avx512" (with VNNI) are for amd64, "neon", "dotprod" and "i8mm" for arm64. Encoding follows. Select is for tests and for programs that
// choose before anything computes: it must not be called while a kernel or a function of package quant runs.
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
