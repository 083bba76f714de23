//go:build (!amd64 && !arm64) || noasm

package kernel

func isas() []string { return []string{generic} }

func use(name string) { isa = name }
