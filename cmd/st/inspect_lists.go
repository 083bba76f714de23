package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"st/format"
)

type tensorReport struct {
	Name       string `json:"name"`
	Shape      []int  `json:"shape"`
	Type       string `json:"type"`
	Layout     string `json:"layout"`
	Transposed bool   `json:"transposed"`
	Bytes      int64  `json:"bytes"`
	Offset     int64  `json:"offset"`
	Layer      int    `json:"layer"`
	Expert     int    `json:"expert"`
}

type layerReport struct {
	Layer          int      `json:"layer"`
	Position       string   `json:"position"`
	Window         int      `json:"window"`
	AttentionBytes int64    `json:"attention_bytes"`
	ExpertsBytes   int64    `json:"experts_bytes"`
	AttentionTypes []string `json:"attention_types"`
	ExpertTypes    []string `json:"expert_types"`

	Statistics *layerStatistics `json:"statistics"`
}

type expertReport struct {
	Layer  int               `json:"layer"`
	Expert int               `json:"expert"`
	Offset int64             `json:"offset"`
	Bytes  int64             `json:"bytes"`
	Types  map[string]string `json:"types"`

	Statistics *expertStatistics `json:"statistics"`
}

type verifyReport struct {
	OK      bool     `json:"ok"`
	Records int      `json:"records"`
	Bytes   int64    `json:"bytes"`
	Damaged []string `json:"damaged"`
}

// tensorReports lists the tensors in file order, of one layer if that is not −1.
func tensorReports(r *format.Reader, layer int) []tensorReport {
	reports := []tensorReport{}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if layer >= 0 && rec.Layer != layer {
			continue
		}
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			reports = append(reports, tensorReport{t.Name, t.Shape(), t.Type.String(), t.Layout.String(), t.Transposed,
				t.Bytes(), rec.Offset + t.Offset, rec.Layer, rec.Expert})
		}
	}
	return reports
}

func layerReports(r *format.Reader, layer int) []layerReport {
	c := &r.Config
	reports := make([]layerReport, c.Layers)
	for l := range reports {
		reports[l] = layerReport{Layer: l, Position: "nope", Window: c.Window(l)}
		if c.RoPELayout[l] {
			reports[l].Position = "rope"
		}
	}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if rec.Layer < 0 || rec.Layer >= c.Layers {
			continue
		}
		l := &reports[rec.Layer]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			switch tensorClass(rec, t.Name) {
			case classAttention:
				l.AttentionBytes += t.Bytes()
				l.AttentionTypes = appendNew(l.AttentionTypes, t.Type.String())
			case classExperts:
				l.ExpertsBytes += t.Bytes()
				l.ExpertTypes = appendNew(l.ExpertTypes, t.Type.String())
			}
		}
	}
	if layer >= 0 {
		return reports[layer : layer+1]
	}
	return reports
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func expertReports(r *format.Reader, layer int) []expertReport {
	reports := []expertReport{}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if !rec.IsExpert() || layer >= 0 && rec.Layer != layer {
			continue
		}
		e := expertReport{Layer: rec.Layer, Expert: rec.Expert, Offset: rec.Offset, Bytes: rec.Length, Types: map[string]string{}}
		for j := range rec.Tensors {
			e.Types[matrixName(rec.Tensors[j].Name)] = rec.Tensors[j].Type.String()
		}
		reports = append(reports, e)
	}
	return reports
}

// matrixName returns what an expert's tensor is: gate, up or down.
func matrixName(tensor string) string {
	parts := strings.Split(strings.TrimSuffix(tensor, ".weight"), ".")
	return parts[len(parts)-1]
}

// printLists prints the lists that were asked for, a blank line between them.
func (f *fileReport) printLists(w io.Writer, s screen) {
	separator := ""
	for _, list := range []struct {
		asked bool
		print func(io.Writer, screen)
	}{
		{f.Tensors != nil, f.printTensors},
		{f.Layers != nil, f.printLayers},
		{f.Experts != nil, f.printExperts},
	} {
		if list.asked {
			fmt.Fprint(w, separator)
			list.print(w, s)
			separator = "\n"
		}
	}
}

func (f *fileReport) printTensors(w io.Writer, s screen) {
	t := s.table("tensor", ">shape", "type", "layout", ">bytes", ">offset")
	for _, x := range f.Tensors {
		layout := x.Layout
		if x.Transposed {
			layout += ", transposed"
		}
		t.AppendRow(table.Row{printable(x.Name), shape(x.Shape), x.Type, layout, humanize.Comma(x.Bytes), x.Offset})
	}
	printTable(w, t)
}

func shape(dims []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(dims), "[]"), " ", " × ")
}

func (v *verifyReport) print(w io.Writer) {
	if v.OK {
		fmt.Fprintf(w, "ok: %s, %s\n", plural(v.Records, "record"), size(v.Bytes))
		return
	}
	for _, d := range v.Damaged {
		fmt.Fprintf(w, "damaged: %s\n", d)
	}
}
