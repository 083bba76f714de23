package engine

import "time"

// Pressure is what the kernel says of the memory that programs compete for.
type Pressure struct {
	// Free is what the process can take more, in bytes, before the system or a control group that it is in has none, and Limit what that one has in
	// all. Limit is 0 if that is not known.
	Free, Limit int64
	// Own is what the process has itself, pages of files left out.
	Own int64
	// Group is the smallest limit of the control groups; 0: there is none.
	Group int64
	// Stalled is for how long tasks have waited for memory since the system started: in the whole system, or in the control group, whichever
	// is more (pressure stall information).
	Stalled time.Duration
}
