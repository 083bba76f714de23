package hub

import "time"

// pace decides how many requests run at once. It starts with few and raises the number by half as long as throughput grows by the factor rewarded.
// Otherwise it returns to the previous number, and tries again after settledRounds, because networks change. It halves the number when the server
// answers that there are too many requests. Rounds in which requests waited for the reader of the bytes are not measured.
type pace struct {
	limit int // requests at once

	since   time.Time // when counting began
	bytes   int64     // since then
	waited  bool      // since then, for room
	full    bool      // since then, as many requests as allowed were under way all the time
	rate    float64   // of the last number that was kept; 0: none was measured
	before  int       // the number that was kept, while a larger one is tried; 0: none is
	settled int       // rounds until another number is tried
}

const (
	firstConnections = 3
	paceRound        = time.Second
	rewarded         = 1.1
	settledRounds    = 20
)

func newPace(now time.Time) pace { return pace{limit: firstConnections, since: now, full: true} }

func (p *pace) hindered() { p.waited = true }

// came counts bytes, and reports whether the limit rose.
func (p *pace) came(n int64, active int, now time.Time) (more bool) {
	p.bytes += n
	if active < p.limit-1 { // one may have ended just now
		p.full = false
	}
	passed := now.Sub(p.since)
	if passed < paceRound {
		return false
	}
	rate := float64(p.bytes) / passed.Seconds()
	useful := p.full && !p.waited
	p.since, p.bytes, p.waited, p.full = now, 0, false, true
	if !useful {
		return false
	}
	old := p.limit
	switch {
	case p.before > 0 && rate < rewarded*p.rate: // throughput did not grow
		p.limit, p.before, p.settled = p.before, 0, settledRounds
	case p.settled > 0:
		p.settled--
		p.rate = rate
	default:
		p.rate, p.before = rate, p.limit
		if p.limit = min(MaxConnections, p.limit+max(1, p.limit/2)); p.limit == p.before {
			p.before, p.settled = 0, settledRounds
		}
	}
	return p.limit > old
}

// slower halves the number.
func (p *pace) slower(now time.Time) {
	p.limit, p.before, p.settled = max(1, p.limit/2), 0, settledRounds
	p.since, p.bytes, p.waited, p.full = now, 0, false, true
}
