package main

import (
	"fmt"
	"path/filepath"

	"st/runtime"
)

// memoryNote says if a budget was chosen, or is more than the system allows.
func memoryNote(path string, m runtime.Memory, auto bool) string {
	switch {
	case m.Unmapped:
		return fmt.Sprintf("note: the file system does not map %s into memory: reading it, as with --memory %dMiB", filepath.Base(path), m.Budget>>20)
	case m.Chosen:
		note := fmt.Sprintf("note: %s needs %s, and %s allows %s: running as with --memory %dMiB", filepath.Base(path), size(m.Needed), m.Source,
			size(m.Allowed), m.Budget>>20)
		if auto {
			note += ", less while other programs need memory"
		}
		return note
	case auto && m.Allowed == 0:
		return fmt.Sprintf("note: %s needs %s, and how much there is is not known: no bound, the file is mapped into memory", filepath.Base(path), size(m.Needed))
	case auto:
		return fmt.Sprintf("note: %s needs %s, and %s allows %s: no bound, the file is mapped into memory", filepath.Base(path), size(m.Needed), m.Source, size(m.Allowed))
	case m.Exceeds():
		return fmt.Sprintf("note: --memory %s is more than %s allows, %s: the system may end the program", runtime.FormatBytes(m.Budget), m.Source, size(m.Allowed))
	}
	return ""
}
