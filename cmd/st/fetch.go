package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
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

// hubPage is how addresses of pages on Hugging Face begin, also as clients of Ollama write them: hf.co/ORG/NAME:QUANT.
var hubPage = regexp.MustCompile(`^(?i)(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/`)

// modelScopePage is how those on ModelScope begin, where pages are below models/.
var modelScopePage = regexp.MustCompile(`^(?i)(?:https?://)?(?:www\.)?modelscope\.(?:cn|ai)/(?:models/)?`)

// isPage reports whether a text is the address of a page of a service.
func isPage(text string) bool { return hubPage.MatchString(text) || modelScopePage.MatchString(text) }

// parseRepository reads the name of a repository as [hub.ParseRef] does, and the address of its page, or of that of one of its files.
func parseRepository(text string) (hub.Ref, error) {
	if host := hubPage.FindString(text); host != "" {
		text = ofPage(text[len(host):])
	} else if host := modelScopePage.FindString(text); host != "" {
		text = "ms://" + ofPage(modelScopePath(text[len(host):]))
	}
	ref, err := hub.ParseRef(strings.TrimSuffix(text, ":latest"))
	ref.Quant = strings.TrimSuffix(ref.Quant, ".gguf") // which the tag of a name cannot have
	return ref, err
}

// ofPage makes what [hub.ParseRef] reads of the path of a page: ORG/NAME/tree/REV is ORG/NAME@REV, and ORG/NAME/blob/REV/FILE.gguf is
// ORG/NAME:FILE.gguf@REV. Another path stays as it is.
func ofPage(page string) string {
	if i := strings.IndexAny(page, "?#"); i >= 0 {
		page = page[:i]
	}
	page = strings.Trim(page, "/")
	parts := strings.Split(page, "/")
	if len(parts) < 4 || !slices.Contains([]string{"tree", "blob", "resolve", "raw"}, parts[2]) || parts[2] == "tree" && len(parts) > 4 {
		return page
	}
	ref := parts[0] + "/" + parts[1]
	if path.Ext(page) == ".gguf" {
		ref += ":" + path.Base(page)
	}
	if revision, err := url.PathUnescape(parts[3]); err == nil && revision != "main" { // which every repository has, and is meant without @REV
		ref += "@" + revision
	}
	return ref
}

// modelScopePath makes the path of a page on ModelScope what that of the same page on Hugging Face is.
func modelScopePath(page string) string {
	if i := strings.IndexAny(page, "?#"); i >= 0 {
		page = page[:i]
	}
	page = strings.TrimRight(page, "/")
	for _, tab := range []string{"/summary", "/files"} {
		page = strings.TrimSuffix(page, tab)
	}
	return modelScopeFile.Replace(page)
}

// modelScopeFile makes addresses of files those of Hugging Face. The branch that every repository has is called master.
var modelScopeFile = strings.NewReplacer("/file/view/master/", "/blob/main/", "/resolve/master/", "/resolve/main/", "/file/view/", "/blob/")

// fetch pulls a model into a file of the store, in the types that st pull chooses by default.
func (a *app) fetch(ctx context.Context, ref hub.Ref, path string, progress func(pull.Progress), note func(text string)) error {
	_, err := pull.Model(ctx, ref, path, pull.Options{
		Convert:  convert.Options{Tool: "st " + version(), Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search},
		Progress: progress, Note: note,
	})
	return err
}

// locateOrFetch is locate for commands that pull a model which is not there. An interrupted pull goes on.
func (a *app) locateOrFetch(ctx context.Context, arg string) (string, error) {
	name := arg
	ref, notRef := parseRepository(arg)
	if notRef == nil && (isPage(arg) || !models.IsPath(arg) && (hub.HasScheme(arg) || ref.Revision != "")) {
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
	ref, err := parseRepository(name)
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
