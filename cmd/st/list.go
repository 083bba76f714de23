package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"st/cmd/internal/report"
	"st/convert/pull"
	"st/runtime/models"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON, published, sessions bool
	cmd := &cobra.Command{
		Use:     "list [NAME]",
		Aliases: []string{"ls"},
		Short:   "List the models that are kept by name",
		Long:    help("list"),
		Example: `  st list
  st list Tiiny
  st list --published
  st list --sessions
  st list --json | jq -r '.models[].name'`,
		Args: arguments("[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			beginning := ""
			if len(args) == 1 {
				beginning = args[0]
			}
			switch {
			case published && sessions:
				return usagef("--published and --sessions list different things: give one of them")
			case published && beginning != "":
				return usagef("--published lists all of them")
			case published:
				return a.listPublished(cmd.Context(), asJSON)
			case sessions:
				return a.listSessions(cmd.Context(), beginning, asJSON)
			}
			r, err := a.listModels(cmd.Context(), beginning)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(r)
			}
			a.printModels(r, beginning)
			return nil
		},
	}
	cmd.Flags().BoolVar(&published, "published", false, "list models that st pull fetches, and how fast they would be here")
	cmd.Flags().BoolVar(&sessions, "sessions", false, "list the conversations that st run --session keeps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return completesNames(cmd, 1)
}

// listReport is what st list --json prints.
type listReport struct {
	Directory string        `json:"directory"`
	Available int64         `json:"available_bytes"`
	Models    []listedModel `json:"models"`
}

// listedModel is a model in the list. What its header tells is absent if it cannot be read.
type listedModel struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
	*report.Brief
	Error      string `json:"error,omitempty"`
	unreadable bool   // the file is not this user's to read

	converted bool // Partial is about a conversion, not a download

	Partial bool  `json:"partial"`
	Done    int64 `json:"done_bytes,omitempty"`
	Total   int64 `json:"total_bytes,omitempty"`
}

// keptModels returns the store of models, and those that are in it.
func keptModels() (*models.Store, []models.Entry, error) {
	store, err := models.Open("")
	if err != nil {
		return nil, nil, err
	}
	all, err := store.List()
	return store, all, err
}

// listModels describes the models that are kept, or those whose name, or part after the organisation, begins with a text.
func (a *app) listModels(ctx context.Context, beginning string) (*listReport, error) {
	store, all, err := keptModels()
	if err != nil {
		return nil, err
	}
	r := &listReport{Directory: store.Dir(), Models: []listedModel{}}
	r.Available, _ = report.AvailableMemory()
	for _, e := range all {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !e.Name.Begins(beginning) {
			continue
		}
		m := listedModel{Name: e.Name.String(), Path: e.Path, Bytes: e.Size, Modified: e.Modified, Partial: e.Partial}
		if e.Partial {
			if i, ok := pull.ReadInterrupted(e.Path); ok {
				m.Done, m.Total = i.Done, i.Total
			}
			m.converted = !strings.HasPrefix(e.There, e.Path+models.PartSuffix)
			if m.Path += models.PartSuffix; m.converted {
				m.Path = e.There
			}
		} else if m.Brief, err = report.ReadBrief(e.Path, report.Options{Program: a.program}); err != nil {
			m.Error, m.unreadable = err.Error(), errors.Is(err, fs.ErrPermission)
			a.note("note: %v", err)
		}
		r.Models = append(r.Models, m)
	}
	return r, nil
}

func (a *app) printModels(r *listReport, beginning string) {
	switch {
	case len(r.Models) == 0 && beginning != "":
		a.note("no model in %s has a name that begins with %s", r.Directory, beginning)
		return
	case len(r.Models) == 0:
		a.note("no models in %s: st pull ORG/NAME fetches one", r.Directory)
		return
	}
	t := newTable("NAME", "TYPE", ">PARAMETERS", ">SIZE", "MODIFIED", "IN MEMORY")
	for _, m := range r.Models {
		typ, params, fits := "?", "", "damaged"
		switch b := m.Brief; {
		case m.converted:
			typ, fits = "", "conversion not complete"
		case m.Partial:
			typ, fits = "", "download not complete"
			if m.Total > 0 {
				fits = fmt.Sprintf("pulled %d %%: %s of %s", 100*m.Done/m.Total, size(m.Done), size(m.Total))
			}
		case m.unreadable:
			fits = "may not be read"
		case b != nil:
			typ, params, fits = b.Type, count(b.Parameters), memoryWord(b)
		}
		t.AppendRow([]any{m.Name, typ, params, size(m.Bytes), humanize.Time(m.Modified), fits})
	}
	printTable(a.stdout, t)
}

// memoryWord says whether a model fits in memory here.
func memoryWord(b *report.Brief) string {
	switch {
	case b.Available == 0:
		return "needs " + size(b.Needed)
	case b.Fits:
		return "yes, " + size(b.Needed)
	case b.Smallest <= b.Available:
		return fmt.Sprintf("in part: %s of %s", size(b.Available), size(b.Needed))
	}
	return "no: " + size(b.Smallest) + " at least"
}
