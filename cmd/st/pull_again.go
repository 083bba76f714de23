package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"st/convert/hub"
	"st/convert/pull"
	"st/format"
)

// changesRecipe reports whether flags say what the model is to be made like, or that it is to be made anew.
func changesRecipe(flags *pflag.FlagSet) bool {
	return changedFlag(flags, "type", "attn", "experts", "down", "embed", "lm-head", "no-head-predictor", "preset", "encoder", "calibration", "memory", "force", "keep") != ""
}

// upToDate is the last line of st pull --json about a model that was there.
type upToDate struct {
	Stage      pull.Stage `json:"stage"` // done
	Repository string     `json:"repository"`
	Commit     string     `json:"commit"`
	Downloaded int64      `json:"downloaded_bytes"` // 0
	Output     string     `json:"output"`
	UpToDate   bool       `json:"up_to_date"`
}

// keptAlready ends a pull of a model that exists: well, if it was made of the commit that the repository has now. A script may pull what it needs each
// time it runs.
func (p *pulling) keptAlready(ctx context.Context, exists error) error {
	r, err := format.Open(p.target)
	if err != nil {
		return exists
	}
	defer r.Close()
	from, commit := r.Provenance.General["repository"], r.Provenance.General["commit"]
	config := hub.FromEnvironment()
	config.UserAgent = p.opts.Tool
	client := hub.New(config)
	if commit == "" {
		return p.explain(ctx, exists)
	}
	if client.Offline() {
		return p.keptOffline(ctx, client, exists, from, commit)
	}
	repo, err := client.Open(ctx, p.ref)
	switch {
	case err != nil:
		return fmt.Errorf("%s is kept, and whether there is a newer one cannot be told: %w", p.target, err)
	case from != p.ref.Service.String()+"://"+repo.ID:
		return p.explain(ctx, exists)
	case commit != repo.Commit:
		return fmt.Errorf("%w, made of %s at commit %.12s, and the repository is at %.12s now", exists, from, commit, repo.Commit)
	}
	p.note("nothing to do: it is there already, at the repository's present commit %.12s", commit)
	return p.printKept(from, commit)
}

// keptOffline is keptAlready without requests: what is there will do, unless the Hub's cache has another commit, or the reference names one.
func (p *pulling) keptOffline(ctx context.Context, client *hub.Client, exists error, from, commit string) error {
	if !strings.EqualFold(from, p.ref.Service.String()+"://"+p.ref.ID()) {
		return p.explain(ctx, exists)
	}
	if cached, _, err := client.OpenCached(p.ref); err == nil {
		if cached.Commit != commit {
			return fmt.Errorf("%w, made of %s at commit %.12s, and the Hub's cache has %.12s", exists, from, commit, cached.Commit)
		}
	} else if p.ref.Revision != "" && p.ref.Revision != commit {
		return p.explain(ctx, exists)
	}
	p.note("nothing to do: it is there already, at commit %.12s; whether there is a newer one was not asked, because requests are switched off", commit)
	return p.printKept(from, commit)
}

// printKept ends st pull --json.
func (p *pulling) printKept(from, commit string) error {
	if !p.json {
		return nil
	}
	_, id, _ := strings.Cut(from, "://")
	return p.printJSON(upToDate{Stage: pull.Done, Repository: id, Commit: commit, Output: p.target, UpToDate: true})
}
