package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Without a terminal a line of progress comes after every tenth of the work, but not faster than lineEvery, and also when
// lineAtLeast has passed. Short work shows none.
const (
	lineEvery   = time.Second
	lineAtLeast = 15 * time.Second
)

// On a terminal the line is drawn every drawEvery, with a bar of at most maxBar columns.
const (
	drawEvery = 100 * time.Millisecond
	maxBar    = 30
	minBar    = 8 // there is no bar where a narrow terminal leaves less
)

// rateAfter is how long work must have gone on before a rate is told, and the time that is left: before, both are chance.
const rateAfter = time.Second

// Progress shows how far long work is: on a terminal as a line with a bar that is drawn again and again, otherwise as a line now and then. A nil
// Progress shows nothing. Several goroutines may use it at once.
type Progress struct {
	out    io.Writer
	label  string
	unit   string  // "B" for bytes, else the name of what is counted
	status *Status // nil: no terminal
	now    func() time.Time

	mu            sync.Mutex
	start, lastAt time.Time // of the work, of the last line
	base          int64     // was done before the start
	done          int64
	lastDone      int64 // at the last line
}

// NewProgress returns the progress of work that begins now and is counted in unit ("B": bytes), shown on out, which is a terminal or not.
func NewProgress(out io.Writer, tty bool, label, unit string) *Progress {
	p := &Progress{out: out, label: label, unit: unit, now: time.Now, start: time.Now(), lastAt: time.Now()}
	if tty {
		p.status = NewStatus(out, true)
	}
	return p
}

// Begin says how much was done when the work began: the rate is that of the rest.
func (p *Progress) Begin(done int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base, p.done, p.lastDone = done, done, done
}

// Update says how much is done, of how much. A value below the last one came late and is ignored.
func (p *Progress) Update(done, total int64) {
	if p == nil || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if done < p.done {
		return
	}
	p.done = done
	since := p.now().Sub(p.lastAt)
	switch {
	case p.status != nil:
		if since >= drawEvery || done == total || !p.status.Shown() {
			p.lastAt = p.now()
			p.status.Show(p.label, 0, p.drawing(total))
		}
	case since >= lineAtLeast || since >= lineEvery && (10*(done-p.lastDone) >= total || done == total):
		p.lastAt, p.lastDone = p.now(), done
		fmt.Fprintln(p.out, p.head(total)+", "+p.amounts(total))
	}
}

// drawing is the line with a bar, if there is room for one.
func (p *Progress) drawing(total int64) string {
	head, amounts := p.head(total), p.amounts(total)
	const around = len(" || ") + 1 // a line that reaches the last column would begin another one
	width := min(maxBar, p.status.wide()-utf8.RuneCountInString(head+amounts)-around)
	if width < minBar {
		return head + ", " + amounts
	}
	bar := Bar(float64(p.done)/float64(total), width)
	return head + " |" + bar + strings.Repeat(" ", width-utf8.RuneCountInString(bar)) + "| " + amounts
}

func (p *Progress) head(total int64) string {
	return fmt.Sprintf("%s: %3d %%", p.label, 100*p.done/total)
}

// amounts tell how much is done, how fast, and how long the rest takes.
func (p *Progress) amounts(total int64) string {
	s := fmt.Sprintf("%s of %s", p.amount(p.done), p.amount(total))
	if p.unit != "B" {
		s += " " + p.unit
	}
	passed := p.now().Sub(p.start)
	if passed < rateAfter || p.done == p.base {
		return s
	}
	rate := float64(p.done-p.base) / passed.Seconds()
	if p.unit == "B" {
		s += fmt.Sprintf(", %s/s", p.amount(int64(rate)))
	} else {
		s += fmt.Sprintf(", %.1f %s/s", rate, p.unit)
	}
	if p.done < total {
		s += ", " + time.Duration(float64(total-p.done)/rate*float64(time.Second)).Round(time.Second).String() + " left"
	}
	return s
}

func (p *Progress) amount(n int64) string {
	if p.unit == "B" {
		return humanize.IBytes(uint64(n))
	}
	return humanize.Comma(n)
}

// Finish removes the bar, so that what is printed next does not run into it.
func (p *Progress) Finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Clear()
}
