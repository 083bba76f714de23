package main

import (
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"st/format"
	"st/runtime/engine"
)

// memoryReport tells in how much memory a model runs.
type memoryReport struct {
	Available     int64          `json:"available_bytes"`
	AvailableFrom string         `json:"available_from"`
	Needed        int64          `json:"needed_bytes"`
	Fits          bool           `json:"fits"`
	Context       int            `json:"context"`
	Budgets       []budgetReport `json:"budgets"`
}

// budgetReport is one value for --memory.
type budgetReport struct {
	Name    string `json:"name"`
	Memory  int64  `json:"memory_bytes"`
	Context int    `json:"context"`
	Experts int    `json:"experts"`
}

// What the process takes besides the engine differs from run to run: budgets that are recommended have some room, and are whole steps.
const (
	budgetRoom = 4 << 20
	budgetStep = 8 << 20
)

func newMemoryReport(r *format.Reader) *memoryReport {
	c := &r.Config
	m := &memoryReport{Context: min(planContext, c.Context)}
	opts := engine.Options{Other: residentBytes()}
	m.Available, m.AvailableFrom = engine.AllowedMemory()
	m.Needed = engine.NeededMemory(r, opts)
	m.Fits = m.Available >= m.Needed
	add := func(name string, memory int64, context, experts int) {
		m.Budgets = append(m.Budgets, budgetReport{name, (memory + budgetRoom + budgetStep - 1) / budgetStep * budgetStep, context, experts})
	}
	smallest, context := engine.SmallestMemory(r, opts)
	all := c.ExpertCount()
	add("smallest", smallest, context, min(2*c.MoE.ExpertsPerToken, all))
	opts.Context = m.Context
	add("half", engine.MemoryFor(r, opts, all/2), m.Context, all/2)
	add("all", engine.MemoryFor(r, opts, all), m.Context, all)
	return m
}

// fit answers in a sentence whether the model fits here.
func (m *memoryReport) fit(s screen) string {
	need := fmt.Sprintf("needs %s with a context of %s", size(m.Needed), humanize.Comma(int64(m.Context)))
	smallest := m.Budgets[0].Memory
	switch {
	case m.Available == 0:
		return need + "; how much is available here is not known"
	case m.Fits:
		return s.paint(colorGood, "fits") + ": " + need + fmt.Sprintf(", and %s is available here", size(m.Available))
	case m.Available >= smallest:
		return s.paint(colorWarning, "fits in part") + ": " + need + fmt.Sprintf(", and %s is available here: experts are read when needed", size(m.Available))
	}
	return s.paint(colorBad, "does not fit") + fmt.Sprintf(": the smallest --memory is %s, and %s is available here", mebibytes(smallest), size(m.Available))
}

// print prints what values of --memory mean.
func (m *memoryReport) print(w io.Writer, s screen) {
	t := s.table("memory", ">--memory", ">context", ">experts kept", "")
	all := m.Budgets[len(m.Budgets)-1].Experts
	means := map[string]string{
		"smallest": "those of two layers; others are read for every token",
		"half":     "those used most; --cache-plan foretells the speed",
		"all":      "comfortable: nothing is read twice",
	}
	for _, b := range m.Budgets {
		t.AppendRow(table.Row{b.Name, mebibytes(b.Memory), humanize.Comma(int64(b.Context)),
			fmt.Sprintf("%s of %s", humanize.Comma(int64(b.Experts)), humanize.Comma(int64(all))), s.paint(colorFaint, text.Snip(means[b.Name], max(8, s.width-48), "…"))})
	}
	printTable(w, t)
}

// mebibytes writes a size as --memory takes it.
func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", (n+(1<<20)-1)>>20) }

// tokenReport tells what one generated token reads of the weights.
type tokenReport struct {
	Bytes   int64        `json:"bytes"`
	Dense   int64        `json:"dense_bytes"`
	Experts int64        `json:"expert_bytes"`
	Parts   []partReport `json:"parts"`
}

type partReport struct {
	Class string `json:"class"`
	Bytes int64  `json:"bytes"`
}

// addReads computes what a token reads: every dense weight, of the embeddings one row unless they are the head too, and the experts that
// it chooses in every layer, all their neurons.
func (f *fileReport) addReads(r *format.Reader) {
	bytes := map[string]int64{}
	experts := make([]int64, r.Config.Layers)
	embedRow := int64(0)
	for i := range r.Records() {
		rec := &r.Records()[i]
		for j := range rec.Tensors {
			t := &rec.Tensors[j]
			class := tensorClass(rec, t.Name)
			switch {
			case class != classExperts:
				bytes[class] += t.Bytes()
				if class == classEmbedding {
					embedRow = int64(t.Type.RowBytes(t.Cols))
				}
			case rec.Layer >= 0 && rec.Layer < len(experts):
				experts[rec.Layer] += t.Bytes()
			}
		}
	}
	if bytes[classHead] > 0 {
		bytes[classEmbedding] = embedRow
	}
	for _, n := range experts {
		bytes[classExperts] += n / int64(r.Config.MoE.Experts) * int64(r.Config.MoE.ExpertsPerToken)
	}
	f.Token = tokenReport{Experts: bytes[classExperts], Parts: []partReport{}}
	for _, class := range classes {
		if n := bytes[class]; n > 0 {
			f.Token.Parts = append(f.Token.Parts, partReport{class, n})
			f.Token.Bytes += n
		}
	}
	f.Token.Dense = f.Token.Bytes - f.Token.Experts
}
