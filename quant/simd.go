package quant

// UseSIMD chooses between the assembly, where there is one and the CPU has what it needs, and plain Go. The results are the same.
// It must not be called while another function of the package runs.
func UseSIMD(on bool) { simd = on && hasSIMD }
