package main

import (
	"fmt"
	"time"

	"st/cmd/internal/terminal"
	"st/convert/pull"
)

// pullView shows how far a pull is: in one line for a person, in objects for a program.
type pullView struct {
	app    *app
	status *terminal.Status // nil: nobody is shown anything
	json   bool
	last   time.Time // of the last object
	stage  pull.Stage
}

// pullProgress is a line of st pull --json.
type pullProgress struct {
	pull.Progress
	SecondsLeft float64 `json:"seconds_left,omitempty"`
}

// jsonEvery is how often a program is told.
const jsonEvery = time.Second

func (a *app) newPullView(json bool) *pullView {
	v := &pullView{app: a, json: json}
	if !a.quiet && !json {
		v.status = terminal.NewStatus(a.stderr, a.errTerminal)
	}
	return v
}

// update is told how far it is. Calls come one at a time.
func (v *pullView) update(p pull.Progress) {
	changed := p.Stage != v.stage
	v.stage = p.Stage
	if v.json {
		if p.Stage != pull.Done && (changed || time.Since(v.last) >= jsonEvery) {
			v.last = time.Now()
			v.app.printJSON(pullProgress{p, p.Left.Seconds()}) // an error of the output ends the command
		}
		return
	}
	if p.Stage == pull.Done {
		v.status.Clear()
		return
	}
	tenth := 0
	if p.Total > 0 {
		tenth = int(10 * p.Done / p.Total)
	}
	v.status.Show(string(p.Stage), tenth, pullLine(p))
}

// pullLine is one line about a pull.
func pullLine(p pull.Progress) string {
	s := string(p.Stage)
	if p.Total == 0 {
		return s
	}
	s += fmt.Sprintf(" %3d %%  %s of %s", 100*p.Done/p.Total, size(p.Done), size(p.Total))
	if p.Rate > 0 {
		s += fmt.Sprintf("  %s/s", size(int64(p.Rate)))
	}
	if p.Left > 0 {
		s += fmt.Sprintf("  %s left", p.Left.Round(time.Second))
	}
	if p.What != "" {
		return s + "  " + p.What
	}
	if p.File != "" {
		s += "  " + p.File
	}
	return s
}

// note tells what a person should know meanwhile. It may be called by several goroutines.
func (v *pullView) note(text string) {
	v.status.Clear()
	v.app.note("note: %s", text)
}

func (v *pullView) finish() { v.status.Clear() }

// pullReport is the last line of st pull --json.
type pullReport struct {
	Stage           pull.Stage `json:"stage"` // done
	Repository      string     `json:"repository"`
	Commit          string     `json:"commit"`
	File            string     `json:"file,omitempty"`
	DownloadedBytes int64      `json:"downloaded_bytes"`
	ResumedBytes    int64      `json:"resumed_bytes"`
	convertReport
}

func newPullReport(target string, r *pull.Result) pullReport {
	return pullReport{Stage: pull.Done, Repository: r.ID, Commit: r.Commit, File: r.File, DownloadedBytes: r.Downloaded, ResumedBytes: r.Resumed,
		convertReport: newConvertReport(target, r.Result, nil)}
}
