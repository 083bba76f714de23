package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"st/convert"
	"st/convert/hub"
	"st/convert/pull"
	"st/quant"
	"st/runtime/models"
	"st/runtime/server"
)

// keptName returns the name under which the model of a repository is kept.
func keptName(ref hub.Ref) models.Name {
	return models.Name{Org: ref.Org, Model: ref.Name, Tag: ref.Quant}
}

// parseRepository reads the name of a repository as [hub.ParseRef] does, and as clients of Ollama write it: hf.co/ORG/NAME:QUANT.
func parseRepository(text string) (hub.Ref, error) {
	for _, host := range []string{"https://", "hf.co/", "huggingface.co/"} {
		text = strings.TrimPrefix(text, host)
	}
	ref, err := hub.ParseRef(strings.TrimSuffix(text, ":latest"))
	return ref, err
}

// fetch pulls a model and keeps it by name, in the types that st pull chooses by default. It returns the model's file.
func (a *app) fetch(ctx context.Context, ref hub.Ref, progress func(pull.Progress)) (path string, err error) {
	store, err := models.Open("")
	if err != nil {
		return "", err
	}
	if path, err = store.Path(keptName(ref)); err != nil {
		return "", err
	}
	_, err = pull.Model(ctx, ref, path, pull.Options{
		Convert:  convert.Options{Tool: "st " + version(), Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search},
		Progress: progress, Note: func(text string) { a.note("note: %s", text) },
	})
	return path, err
}

// locateOrFetch is locate for commands that pull a model which is not there. An interrupted pull goes on.
func (a *app) locateOrFetch(ctx context.Context, arg string) (string, error) {
	path, err := "", error(nil)
	ref, notRef := parseRepository(arg)
	if notRef == nil && !models.IsPath(arg) && (hub.HasScheme(arg) || ref.Revision != "") {
		path, err = a.locate(keptName(ref).String())
	} else {
		path, err = a.locate(arg)
	}
	if err == nil || notRef != nil || !errors.Is(err, models.ErrNotFound) && !errors.Is(err, models.ErrPartial) {
		return path, err
	}
	a.note("note: %v: pulling it", err)
	bar := a.newProgress("pull", "B")
	defer bar.finish()
	return a.fetch(ctx, ref, func(p pull.Progress) {
		if p.Stage == pull.Pulling || p.Stage == pull.Converting {
			bar.update(p.Done, p.Total)
		}
	})
}

// pullFor pulls a model for a client of the server. One that is there already is not pulled again.
func (a *app) pullFor(ctx context.Context, name string, progress func(done, total int64)) error {
	ref, err := parseRepository(name)
	if err != nil {
		return &server.Error{Status: http.StatusBadRequest, Code: "invalid_value", Param: "model", Message: err.Error()}
	}
	store, err := models.Open("")
	if err != nil {
		return err
	}
	all, err := store.List()
	if err != nil {
		return err
	}
	for _, e := range all {
		if !e.Partial && strings.EqualFold(e.Name.String(), keptName(ref).String()) {
			return nil
		}
	}
	_, err = a.fetch(ctx, ref, func(p pull.Progress) {
		if p.Stage == pull.Pulling || p.Stage == pull.Converting {
			progress(p.Done, p.Total)
		}
	})
	for _, is := range []error{hub.ErrNotFound, hub.ErrRevision, hub.ErrNoFile} {
		if errors.Is(err, is) {
			return &server.Error{Status: http.StatusNotFound, Code: "model_not_found", Message: "pull model manifest: " + err.Error()}
		}
	}
	return err
}
