package main

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

// progress shows how far long work is on standard error: a bar if that is a terminal, a line now and then otherwise. A nil
// progress shows nothing. It may be used by several goroutines at once.
type progress struct {
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

// newProgress returns the progress of work that is counted in unit; nil if --quiet.
func (a *app) newProgress(label, unit string) *progress {
	if a.quiet {
		return nil
	}
	return &progress{out: a.stderr, label: label, unit: unit, bar: a.errTerminal, now: time.Now, start: time.Now(), lastAt: time.Now()}
}

// update says how much is done, of how much. Values that are older than the last one are ignored.
func (p *progress) update(done, total int64) {
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

func (p *progress) draw(total int64) {
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

// line tells everything that the bar does.
func (p *progress) line(total int64) string {
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

func (p *progress) amount(n int64) string {
	if p.unit == "B" {
		return humanize.IBytes(uint64(n))
	}
	return humanize.Comma(n)
}

// finish removes the bar, so that what is printed next does not run into it.
func (p *progress) finish() {
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
