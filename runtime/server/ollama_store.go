package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	store "st/runtime/models"
)

// What clients change in the store: Ollama's /api/delete, /api/copy and /api/pull.

// errFixed is the error of requests that would change what is served, where the server was given its models.
func errFixed(what string) error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "not_allowed",
		Message: what + ": the server does not own the files that it was started with"}
}

// errUnnamed is the error of requests that change models and do not name one: a server of one model is told which, too.
func errUnnamed(param, what string) error {
	return &Error{Status: http.StatusBadRequest, Code: "missing_model", Param: param, Message: fmt.Sprintf("%s: it must name the model to %s", param, what)}
}

// ollamaDelete answers /api/delete. Requests that use the model come to their end.
func (s *Server) ollamaDelete(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q ollamaName
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	name := q.name()
	if name == "" {
		return errUnnamed("model", "delete")
	}
	sv, err := s.ollamaFind(name)
	switch {
	case s.models.store == nil && err == nil:
		return errFixed(fmt.Sprintf("model '%s' cannot be deleted here", sv.Name))
	case err == nil && !isFullName(name, sv.Name):
		return &Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model",
			Message: fmt.Sprintf("model '%s' not found: '%s' is deleted by its full name alone", name, sv.Name)}
	case err == nil:
		serving(r.Context(), sv)
		name = sv.Name
		s.models.retire(sv) // some systems do not let a file go that is in use
	case s.models.store == nil || asError(err).Status != http.StatusNotFound:
		return err
	}
	e, removeErr := s.models.store.Remove(name) // a download that is not complete, too
	switch {
	case errors.Is(removeErr, store.ErrInUse):
		return &Error{Status: http.StatusConflict, Code: "in_use", Message: removeErr.Error(), cause: removeErr}
	case errors.Is(removeErr, store.ErrNotFound), errors.Is(removeErr, store.ErrName):
		return err
	case removeErr != nil:
		return removeErr
	}
	s.log.Info("removed a model", "model", e.Name.String())
	return s.changed(w)
}

// isFullName reports whether a client names a model in full, in any case of letters. A short name may mean another model when the request comes a second time.
func isFullName(given, name string) bool {
	n, err := store.ParseName(given)
	return err == nil && strings.EqualFold(n.String(), name)
}

// ollamaCopy answers /api/copy. As with Ollama, a model that has the new name is replaced.
func (s *Server) ollamaCopy(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
	}
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	if q.Source == "" {
		return errUnnamed("source", "copy")
	}
	sv, err := s.ollamaFind(q.Source)
	if err != nil {
		return err
	}
	if s.models.store == nil {
		return errFixed(fmt.Sprintf("model '%s' cannot be copied here", sv.Name))
	}
	to, err := store.ParseName(q.Destination)
	if err != nil {
		return badField("destination", err.Error())
	}
	if _, err := s.models.store.Copy(r.Context(), sv.Path, to, store.CopyOptions{Replace: true}); err != nil {
		return orRemoved(sv, err)
	}
	return s.changed(w)
}

// changed answers a request that changed the store.
func (s *Server) changed(w http.ResponseWriter) error {
	if err := s.models.refresh(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// ollamaProgress is a line of the answer of /api/pull.
type ollamaProgress struct {
	Status    string `json:"status"`
	Digest    string `json:"digest,omitempty"`
	Total     int64  `json:"total,omitempty"`
	Completed int64  `json:"completed,omitempty"`
}

// checkPulled refuses what is no name, with a revision or without one. An address is for Pull to read.
func checkPulled(name string) error {
	id, _, _ := strings.Cut(name, "@")
	if strings.Contains(id, "://") {
		return nil
	}
	if _, err := store.ParseName(id); err != nil {
		return badField("model", err.Error())
	}
	return nil
}

// ollamaPull answers /api/pull. Several requests for one model share its download, which ends when the last of them goes away.
func (s *Server) ollamaPull(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q struct {
		ollamaName
		Stream *bool `json:"stream"`
	}
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	name := q.name()
	switch {
	case name == "":
		return errUnnamed("model", "pull")
	case s.models.store == nil || s.opts.Pull == nil:
		return errFixed(fmt.Sprintf("model '%s' cannot be pulled here", name))
	}
	if err := checkPulled(name); err != nil {
		return err
	}
	streams := q.Stream == nil || *q.Stream
	l := &lines{events{w: w}}
	digest := pullDigest(name)
	last := ollamaProgress{}
	send := func(p ollamaProgress) bool {
		if !streams || p == last {
			return true
		}
		last = p
		return l.send(p)
	}
	if !send(ollamaProgress{Status: "pulling manifest"}) {
		return nil
	}
	ctx, gone := context.WithCancel(r.Context())
	defer gone()
	err := s.pulls.follow(ctx, name, s.opts.Pull, func(done, total int64) {
		if total > 0 && !send(ollamaProgress{"pulling " + digest[:12], "sha256:" + digest, total, done}) {
			gone()
		}
	})
	if err != nil {
		if r.Context().Err() == nil && ctx.Err() == nil {
			s.log.Warn("a model was not pulled", "model", name, "error", err)
		}
		return l.fail(r, err)
	}
	s.log.Info("pulled a model", "model", name)
	if err := s.models.refresh(); err != nil {
		return l.fail(r, err)
	}
	if !streams {
		writeJSON(w, http.StatusOK, ollamaProgress{Status: "success"})
		return nil
	}
	if last.Total > 0 {
		send(ollamaProgress{last.Status, last.Digest, last.Total, last.Total})
	}
	for _, status := range []string{"verifying sha256 digest", "writing manifest", "success"} {
		if !send(ollamaProgress{Status: status}) {
			break
		}
	}
	return nil
}

// pullDigest tells the downloads of models apart, which clients show by their digests. It is no checksum of what comes.
func pullDigest(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
