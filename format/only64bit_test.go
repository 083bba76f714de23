package format

import (
	"go/build"
	"testing"
)

// A build for a 32-bit system has a file that does not compile and says why; others do not have it.
func TestOnly64Bit(t *testing.T) {
	for arch, want := range map[string]bool{"386": true, "arm": true, "mips": true, "mipsle": true, "amd64": false, "arm64": false, "riscv64": false, "ppc64le": false} {
		context := build.Default
		context.GOARCH = arch
		if got, err := context.MatchFile(".", "only64bit.go"); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", arch, got, err, want)
		}
	}
}
