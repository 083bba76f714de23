package engine

import "testing"

// The system tells of more memory than a test takes, of which some is free.
func TestPhysicalMemory(t *testing.T) {
	const least = 64 << 20
	if free, total := physicalMemory(); free < least || total < free {
		t.Errorf("%d of %d bytes are free", free, total)
	}
	if bytes, from := AllowedMemory(); bytes < least || from != "the system" {
		t.Errorf("%d bytes are allowed by %q", bytes, from)
	}
	if p := MemoryPressure(); p.Free < least || p.Limit < p.Free {
		t.Errorf("%+v", p)
	}
}
