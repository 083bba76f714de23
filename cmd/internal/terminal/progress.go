package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
)

// Without a terminal a line of progress comes after every tenth of the work, but not faster than lineEvery, and also when
// lineAtLeast has passed. Short work shows none.
const (
	lineEvery   = time.Second
	lineAtLeast = 15 * time.Second
)

// Progress shows how far long work is: as a bar on a terminal, otherwise as a line now and then. A nil Progress shows nothing. Several
// goroutines may use it at once.
type Progress struct {
	out   io.Writer
	label string
	unit  string // "B" for bytes, else the name of what is counted
	bar   bool
	now   func() time.Time

	mu             sync.Mutex
	shown          *progressbar.ProgressBar
	start, lastAt  time.Time
	done, lastDone int64
}

// NewProgress returns the progress of work that is counted in unit ("B": bytes), shown on out: as a bar that is drawn again and again,
// or in lines.
func NewProgress(out io.Writer, bar bool, label, unit string) *Progress {
	return &Progress{out: out, label: label, unit: unit, bar: bar, now: time.Now, start: time.Now(), lastAt: time.Now()}
}

// Update says how much is done, of how much. A value below the last one came late and is ignored.
func (p *Progress) Update(done, total int64) {
	if p == nil || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if done <= p.done {
		return
	}
	p.done = done
	if p.bar {
		p.draw(total)
		return
	}
	since := p.now().Sub(p.lastAt)
	if since >= lineAtLeast || since >= lineEvery && (10*(done-p.lastDone) >= total || done == total) {
		p.lastAt, p.lastDone = p.now(), done
		fmt.Fprintln(p.out, p.line(total))
	}
}

func (p *Progress) draw(total int64) {
	if p.shown == nil {
		options := []progressbar.Option{
			progressbar.OptionSetWriter(p.out),
			progressbar.OptionSetDescription(p.label),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100 * time.Millisecond),
			progressbar.OptionFullWidth(),
			progressbar.OptionClearOnFinish(),
		}
		if p.unit == "B" {
			options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true), progressbar.OptionShowTotalBytes(true))
		} else {
			options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString(p.unit))
		}
		p.shown = progressbar.NewOptions64(total, options...)
	}
	p.shown.Set64(p.done)
}

// line says what the bar shows.
func (p *Progress) line(total int64) string {
	seconds := p.now().Sub(p.start).Seconds()
	rate := float64(p.done) / max(seconds, 1e-9)
	s := fmt.Sprintf("%s: %3d %%, %s of %s, %s/s", p.label, 100*p.done/total, p.amount(p.done), p.amount(total), p.amount(int64(rate)))
	if p.unit != "B" {
		s = fmt.Sprintf("%s: %3d %%, %s of %s %s, %.1f %s/s", p.label, 100*p.done/total, p.amount(p.done), p.amount(total), p.unit, rate, p.unit)
	}
	if left := float64(total-p.done) / rate; p.done < total {
		s += ", " + time.Duration(left*float64(time.Second)).Round(time.Second).String() + " left"
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
	if p.shown != nil {
		p.shown.Clear()
		p.shown = nil
	}
}
