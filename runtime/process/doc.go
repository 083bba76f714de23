// Package process tells how much memory this process takes, and how often its threads waited.
//
// The figures are the operating system's. [PeakRSS] is what benchmarks report; [Resident] is what the choice of a memory budget counts
// for the program itself. [CPU] names the processor. [Switches] counts context switches. [ReadProcessors] and [Kept] tell how much of the processors others had.
package process
