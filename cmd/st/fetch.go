package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"st/convert"
	"st/convert/hub"
	"st/convert/pull"
	"st/format"
	"st/quant"
	"st/runtime/models"
	"st/runtime/server"
)

// keptName returns the name under which the model of a repository is kept.
func keptName(ref hub.Ref) models.Name {
	return models.Name{Org: ref.Org, Model: ref.Name, Tag: ref.Quant}
}

// fetch pulls a model into a file of the store, in the types that st pull chooses by default.
func (a *app) fetch(ctx context.Context, ref hub.Ref, path string, progress func(pull.Progress), note func(text string)) error {
	_, err := pull.Model(ctx, ref, path, pull.Options{
		Convert:  convert.Options{Tool: "st " + version(), Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search},
		Progress: progress, Note: note,
	})
	tidy(path, err)
	return err
}

// locateOrFetch is locate for commands that pull a model which is not there. An interrupted pull goes on.
func (a *app) locateOrFetch(ctx context.Context, arg string) (string, error) {
	name := arg
	ref, notRef := hub.ParsePage(arg)
	if notRef == nil && (hub.IsPage(arg) || !models.IsPath(arg) && (hub.HasScheme(arg) || ref.Revision != "")) {
		name = keptName(ref).String()
	}
	path, notKept := a.locate(name)
	if errors.Is(notKept, models.ErrName) && strings.ContainsAny(arg, " \n") {
		return "", usagef("%v: the model comes first, then the prompt", notKept)
	}
	if notKept == nil && notRef == nil && ref.Revision != "" {
		a.noteRevision(path, ref)
	}
	if !errors.Is(notKept, models.ErrNotFound) && !errors.Is(notKept, models.ErrPartial) {
		return path, notKept
	}
	store, err := models.Open("")
	if err != nil {
		return "", err
	}
	what := "pulling it"
	if e, err := store.Resolve(name); errors.Is(err, models.ErrPartial) {
		if begun, ok := pull.ReadInterrupted(e.Path); ok {
			path, what = e.Path, "going on with it"
			ref, notRef = hub.ParseRef(begun.Ref)
		}
	}
	if notRef != nil {
		return "", notKept
	}
	if path == "" {
		if path, err = store.Path(keptName(ref)); err != nil {
			return "", err
		}
	}
	a.note("note: %v: %s", notKept, what)
	view := a.newPullView(false)
	err = a.fetch(ctx, ref, path, view.update, view.note)
	view.finish()
	a.noteBegun(path, err)
	return path, err
}

// noteRevision tells that a model which is there may be of another revision than the one that is asked for.
func (a *app) noteRevision(path string, ref hub.Ref) {
	r, err := format.Open(path)
	if err != nil {
		return // whoever runs it tells
	}
	defer r.Close()
	if commit := r.Provenance.General["commit"]; commit != "" && !strings.HasPrefix(commit, ref.Revision) {
		a.note("note: %s is kept, made of commit %.12s: whether that is %s is not asked, but by st pull", keptName(ref), commit, ref.Revision)
	}
}

// pullFor pulls a model for a client of the server. One that is there already is not pulled again.
func (a *app) pullFor(ctx context.Context, name string, progress func(done, total int64)) error {
	ref, err := hub.ParsePage(name)
	if err != nil {
		return &server.Error{Status: http.StatusBadRequest, Code: "invalid_value", Param: "model", Message: err.Error()}
	}
	store, all, err := keptModels()
	if err != nil {
		return err
	}
	for _, e := range all {
		same := strings.EqualFold(e.Name.String(), keptName(ref).String())
		if same && !e.Partial {
			return nil
		}
		if begun, ok := pull.ReadInterrupted(e.Path); same && ok {
			if ref, err = hub.ParseRef(begun.Ref); err != nil {
				return err
			}
		}
	}
	path, err := store.Path(keptName(ref))
	if errors.Is(err, models.ErrName) {
		return &server.Error{Status: http.StatusBadRequest, Code: "invalid_value", Param: "model", Message: err.Error()}
	}
	if err != nil {
		return err
	}
	err = a.fetch(ctx, ref, path, func(p pull.Progress) {
		if p.Stage == pull.Pulling || p.Stage == pull.Converting {
			progress(p.Done, p.Total)
		}
	}, func(text string) { a.note("note: %s", text) })
	for _, is := range []error{hub.ErrNotFound, hub.ErrRevision, hub.ErrNoFile} {
		if errors.Is(err, is) {
			return &server.Error{Status: http.StatusNotFound, Code: "model_not_found", Message: "pull model manifest: " + err.Error()}
		}
	}
	return err
}
