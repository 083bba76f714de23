package report

import (
	"cmp"
	"fmt"
	"slices"

	"st/runtime/process"
)

// measurement measures what a plan assumes of a machine that others use, too.
type measurement struct {
	// tell is told what is being measured, and how much of it is done; nil: nobody watches.
	tell func(what string, done, total int64)
	// kept returns a function that tells which share of the processors' time others had since; false: that is not known. It is a variable for tests.
	kept   func() func() (float64, bool)
	doubts []string
}

const (
	// mostAttempts is how often something is measured, at most.
	mostAttempts = 3
	// disturbed is the share of the processors' time that others may have while one measures.
	disturbed = 0.15
	// apart is the ratio of the best two speeds from which on neither is to be trusted.
	apart = 1.3
)

func newMeasurement(tell func(what string, done, total int64)) *measurement {
	return &measurement{tell: tell, kept: keptByOthers}
}

func keptByOthers() func() (float64, bool) {
	before, ok := process.ReadProcessors()
	return func() (float64, bool) {
		after, still := process.ReadProcessors()
		return process.Kept(before, after), ok && still
	}
}

// repeat measures a speed until it can be trusted: others left the processors alone and, if it varies by itself or that is not known, it comes out again.
// It returns what is doubtful after the last attempt, or "". The best of the speeds is to be used: what disturbs makes slow.
func (m *measurement) repeat(what string, varies bool, measure func() (float64, error)) (doubt string, err error) {
	var speeds []float64
	least := 1. // share of others
	for len(speeds) < mostAttempts {
		m.show(what, 0, 0)
		kept := m.kept()
		speed, err := measure()
		if err != nil {
			return "", err
		}
		share, known := kept()
		if known {
			least = min(least, share)
		} else {
			least = 0
		}
		speeds = append(speeds, speed)
		slices.SortFunc(speeds, func(a, b float64) int { return cmp.Compare(b, a) })
		agree := len(speeds) > 1 && speeds[0] <= apart*speeds[1]
		if least <= disturbed && (agree || known && !varies) {
			return "", nil
		}
	}
	if least > disturbed {
		return fmt.Sprintf("other programs had %.0f %% of the processors' time while %s was measured", 100*least, what), nil
	}
	return fmt.Sprintf("%s was %.1f times as fast in one attempt as in another", what, speeds[0]/speeds[len(speeds)-1]), nil
}

func (m *measurement) show(what string, done, total int64) {
	if m.tell != nil {
		m.tell(what, done, total)
	}
}

func (m *measurement) doubt(d string) {
	if d != "" {
		m.doubts = append(m.doubts, d)
	}
}
