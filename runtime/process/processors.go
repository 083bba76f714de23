package process

import "time"

// Processors is what the threads of the process had of the processors, since it began.
type Processors struct {
	// Ran is how long they ran, all together, and Waited how long they could have run while others did, or each other.
	Ran, Waited time.Duration
	// Stolen is what a virtual machine's host kept of its processors' time, on average of one processor.
	Stolen time.Duration
	at     time.Time
}

// Kept returns the share of the time between two moments, 0 to 1, in which others kept processors from the process: of the time that passed or, if that
// is more, of what all threads together ran or could have run. One that hardly computes is hardly disturbed.
func Kept(from, to Processors) float64 {
	ran, waited, passed := to.Ran-from.Ran, to.Waited-from.Waited, max(1, to.at.Sub(from.at))
	stolen := float64(to.Stolen-from.Stolen) / float64(passed)
	return min(1, max(stolen, float64(waited)/float64(max(passed, ran+waited))))
}
