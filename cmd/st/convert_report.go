package main

import (
	"time"

	"st/convert"
	"st/quant"
	"st/runtime/process"
)

// convertReport is what st convert --json prints.
type convertReport struct {
	Output               string           `json:"output"`
	Type                 string           `json:"type"`
	Tensors              int              `json:"tensors"`
	SourceBytes          int64            `json:"source_bytes"`
	OutputBytes          int64            `json:"output_bytes"`
	Seconds              float64          `json:"seconds"`
	SourceBytesPerSecond float64          `json:"source_bytes_per_second"`
	PeakRSSBytes         int64            `json:"peak_rss_bytes"`
	Fallbacks            []fallbackReport `json:"fallbacks"`
	Notes                []string         `json:"notes"`
	Stages               []stageReport    `json:"stages,omitempty"`
	Report               *lossReport      `json:"report,omitempty"`
}

type fallbackReport struct {
	Tensor    string `json:"tensor"`
	RowLength int    `json:"row_length"`
	Asked     string `json:"asked"`
	Used      string `json:"used"`
}

// noteConversion sums up a conversion for a person.
func (a *app) noteConversion(target string, r *convert.Result) {
	a.note("%s: %s, %s became %s of %s (%.0f %%) in %s, %s/s",
		target, plural(r.Tensors, "tensor"), size(r.SourceBytes), size(r.OutputBytes), r.Type,
		100*float64(r.OutputBytes)/float64(max(1, r.SourceBytes)), r.Elapsed.Round(time.Millisecond), size(int64(sourceRate(r))))
	type kind struct {
		cols        int
		asked, used quant.Type
	}
	number := map[kind]int{}
	var kinds []kind
	for _, f := range r.Fallbacks {
		k := kind{f.Cols, f.Asked, f.Used}
		if number[k] == 0 {
			kinds = append(kinds, k)
		}
		number[k]++
	}
	for _, k := range kinds {
		verb := "have"
		if number[k] == 1 {
			verb = "has"
		}
		a.note("note: %s %s rows of %d weights, which %s cannot hold: stored as %s",
			plural(number[k], "tensor"), verb, k.cols, k.asked, k.used)
	}
	for _, n := range r.Notes {
		a.note("note: %s", n)
	}
}

func sourceRate(r *convert.Result) float64 {
	return float64(r.SourceBytes) / max(r.Elapsed.Seconds(), 1e-9)
}

func newConvertReport(target string, r *convert.Result, stages []stageReport) convertReport {
	report := convertReport{
		Output: target, Type: r.Type.String(), Tensors: r.Tensors, SourceBytes: r.SourceBytes, OutputBytes: r.OutputBytes,
		Seconds: r.Elapsed.Seconds(), SourceBytesPerSecond: sourceRate(r), PeakRSSBytes: process.PeakRSS(),
		Fallbacks: []fallbackReport{}, Notes: append([]string{}, r.Notes...), Stages: stages,
	}
	for _, f := range r.Fallbacks {
		report.Fallbacks = append(report.Fallbacks, fallbackReport{f.Tensor, f.Cols, f.Asked.String(), f.Used.String()})
	}
	if r.Losses != nil {
		report.Report = newLossReport(r.Losses)
	}
	return report
}
