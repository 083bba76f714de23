package runtime

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"st/runtime/engine"
)

// Lookup says how many tokens of a text are guessed at once. A guess is what followed the same tokens earlier in the prompt or the text: all of it is
// checked in one pass, which reads the weights once, and what is wrong is dropped (prompt lookup decoding, Saxena 2023; LLMA, arXiv 2304.04487). The
// text is the same to the bit, greedy and sampled: a token is drawn at every position as ever, and the guess only tells which logits are there
// already.
//
// It is faster where a text repeats what was there before, such as in editing, quoting and code. [LookupAuto] measures whether it is.
type Lookup int

// LookupAuto guesses where it pays: as many tokens as are likely to be right, by what a pass of several tokens costs on this machine and how many
// guesses were right in this text so far. LookupOff guesses none. Any other value from 1 to [MaxLookup] guesses up to so many whenever there is a
// match.
const (
	LookupAuto Lookup = 0
	LookupOff  Lookup = -1
)

// MaxLookup is the most tokens that are guessed at once.
const MaxLookup Lookup = engine.MaxDraft

// ParseLookup reads "auto", "off" or a number of tokens, of which 0 is off.
func ParseLookup(s string) (Lookup, error) {
	switch s {
	case "auto":
		return LookupAuto, nil
	case "off":
		return LookupOff, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > int(MaxLookup) {
		return 0, fmt.Errorf("it must be auto, off or a number of tokens from 1 to %d", MaxLookup)
	}
	if n == 0 {
		return LookupOff, nil
	}
	return Lookup(n), nil
}

// String returns what ParseLookup reads.
func (l Lookup) String() string {
	switch l {
	case LookupAuto:
		return "auto"
	case LookupOff:
		return "off"
	}
	return strconv.Itoa(int(l))
}

func (l Lookup) check() error {
	if l < LookupOff || l > MaxLookup {
		return as(ErrOption, errors.New("lookup guesses "+strconv.Itoa(int(l))+" tokens: it must be 1 to "+MaxLookup.String()))
	}
	return nil
}

// lookup guesses the next tokens of a text. It finds the longest tokens at the end of the text that were there before, of which the last, and guesses
// that it goes on as it did then.
type lookup struct {
	limit Lookup
	text  []int32
	last  map[[2]int32]int32 // by two tokens: where the second was last
	prev  []int32            // by position: where the same two tokens were before; −1: nowhere

	match int // length of the last guess's match
	costs stepCosts
	rates [4]matchRate
	idle  int // guesses that did not seem to pay since the last one that was tried
}

const (
	longestMatch = 24 // tokens that are compared
	triedMatches = 32 // places that are compared
	probeEvery   = 96 // a guess that does not seem to pay is tried: what a pass costs may have changed
	leastGain    = 1.03
)

func newLookup(limit Lookup) *lookup {
	l := &lookup{limit: limit, last: map[[2]int32]int32{}}
	for i, p := range [...]float64{0.4, 0.55, 0.7, 0.85} { // a guess at how often guesses are right, until it is known
		l.rates[i] = matchRate{right: 4 * p, tried: 4}
	}
	return l
}

// add appends tokens to the text.
func (l *lookup) add(tokens []int32) {
	for _, id := range tokens {
		l.text = append(l.text, id)
		before := int32(-1)
		if n := len(l.text); n >= 2 {
			key := [2]int32{l.text[n-2], id}
			if p, ok := l.last[key]; ok {
				before = p
			}
			l.last[key] = int32(n - 1)
		}
		l.prev = append(l.prev, before)
	}
}

// guess returns the tokens that follow the text, up to n: none if no two tokens at its end were there before, or it would not pay.
func (l *lookup) guess(n int) []int32 {
	end := len(l.text) - 1
	if n = min(n, int(MaxLookup)); n < 1 || end < 2 {
		return nil
	}
	at, match := -1, 0
	for p, tries := int(l.prev[end]), 0; p >= 0 && tries < triedMatches; p, tries = int(l.prev[p]), tries+1 {
		m := 2
		for m < longestMatch && m <= p && l.text[p-m] == l.text[end-m] {
			m++
		}
		if m > match {
			at, match = p, m
		}
	}
	if at < 0 {
		return nil
	}
	l.match = match
	if l.limit != LookupAuto {
		n = min(n, int(l.limit))
	} else {
		n = l.paying(n)
	}
	if n == 0 {
		return nil
	}
	guess := make([]int32, n)
	for i := range guess {
		if p := at + 1 + i; p <= end {
			guess[i] = l.text[p]
		} else { // a text that goes round in circles
			guess[i] = guess[p-end-1]
		}
	}
	return guess
}

// paying returns how many tokens to guess: those that give the most tokens per second; 0: single steps do.
func (l *lookup) paying(n int) (best int) {
	if !l.costs.known() {
		return 0
	}
	p, gain := l.rate().share(), leastGain
	for k, right, all := 1, 1.0, 1.0; k <= n; k++ {
		right *= p
		all += right
		if g := all / l.costs.of(1+k); g > gain {
			best, gain = k, g
		}
	}
	if best > 0 {
		l.idle = 0
		return best
	}
	if l.idle++; l.idle < probeEvery {
		return 0
	}
	l.idle = 0
	return min(n, 3)
}

// learn notes what became of a guess: of so many tokens that were checked, so many were right.
func (l *lookup) learn(checked, right int) {
	r := l.rate()
	tried := right
	if right < checked {
		tried++ // those after the first wrong one tell nothing
	}
	r.right, r.tried = r.right+float64(right), r.tried+float64(tried)
	if r.tried > 64 { // a text changes
		r.right, r.tried = r.right/2, r.tried/2
	}
}

// matchRate is how many guessed tokens were right, of those that were tried.
type matchRate struct{ right, tried float64 }

func (r *matchRate) share() float64 { return r.right / r.tried }

// rate returns the rate of guesses with matches of about the length of the last one.
func (l *lookup) rate() *matchRate {
	switch {
	case l.match <= 2:
		return &l.rates[0]
	case l.match <= 4:
		return &l.rates[1]
	case l.match <= 8:
		return &l.rates[2]
	}
	return &l.rates[3]
}

// stepCosts are what passes cost, by rows: the time of each, as it is lately.
type stepCosts struct {
	seconds [int(MaxLookup) + 2]float64 // by rows; 0: never measured
	more    float64                     // of a single row's time, for each row more
	singles int
}

// Until passes of several rows were measured: what the first tries find out.
const guessedMore = 0.6

// note measures a pass.
func (c *stepCosts) note(rows int, t time.Duration) {
	s := &c.seconds[rows]
	if *s == 0 {
		*s = t.Seconds()
	}
	*s += (t.Seconds() - *s) / 4
	if rows == 1 {
		c.singles++
		return
	}
	if single := c.seconds[1]; single > 0 {
		more := max(0, (*s/single-1)/float64(rows-1))
		if c.more == 0 {
			c.more = more
		}
		c.more += (more - c.more) / 4
	}
}

// known reports whether single steps were measured: the first one may have found caches cold.
func (c *stepCosts) known() bool { return c.singles >= 2 }

// of returns the cost of a pass of so many rows, relative to that of one.
func (c *stepCosts) of(rows int) float64 {
	if s := c.seconds[rows]; s > 0 && c.seconds[1] > 0 {
		return max(1, s/c.seconds[1])
	}
	more := c.more
	if more == 0 {
		more = guessedMore
	}
	return 1 + more*float64(rows-1)
}

// LookupReplay is what guessing does for a text.
type LookupReplay struct {
	Tokens   int     `json:"tokens"`   // of the text
	Steps    int     `json:"steps"`    // passes that it takes
	Drafted  int     `json:"drafted"`  // guessed tokens that were checked
	Accepted int     `json:"accepted"` // of them, those that were right
	Speedup  float64 `json:"speedup"`  // over single steps, by cost
}

// ReplayLookup tells how a text would be guessed if a model wrote it after a prompt, where a pass of so many rows costs cost of them, relative to
// that of one row.
func ReplayLookup(prompt, text []int32, l Lookup, cost func(rows int) float64) LookupReplay {
	r := LookupReplay{Tokens: len(text)}
	found := newLookup(l)
	found.add(prompt)
	single := time.Millisecond
	spent := 0.0
	for at := 0; at < len(text); {
		var guess []int32
		found.add(text[at : at+1]) // it is drawn, and run in this step
		if l != LookupOff {
			guess = found.guess(len(text) - at - 1)
		}
		right := 0
		for right < len(guess) && guess[right] == text[at+1+right] {
			right++
		}
		found.add(text[at+1 : at+1+right])
		c := cost(1 + len(guess))
		found.costs.note(1+len(guess), time.Duration(c*float64(single)))
		if len(guess) > 0 {
			found.learn(len(guess), right)
		}
		r.Steps, r.Drafted, r.Accepted = r.Steps+1, r.Drafted+len(guess), r.Accepted+right
		spent += c
		at += 1 + right
	}
	if spent > 0 {
		r.Speedup = float64(r.Tokens) / spent
	}
	return r
}
