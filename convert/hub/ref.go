package hub

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Service is a place that has model repositories.
type Service uint8

// The services, by the scheme of a reference.
const (
	HuggingFace Service = iota // hf://
	ModelScope                 // ms://
)

func (s Service) String() string { return [...]string{"hf", "ms"}[s] }

// ErrRef is wrapped by errors about a text that names no repository.
var ErrRef = errors.New("is not the name of a repository")

// Ref names a repository, and what in it is meant.
type Ref struct {
	Service  Service
	Org      string
	Name     string
	Revision string // branch, tag or commit; "": the service's default branch
	Quant    string // of a repository with GGUF files: the one that is meant, as Q4_0; "": not said
}

// part is what an organisation or a repository may be called: as huggingface_hub's validate_repo_id has it.
var part = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$`)

// revision is the name of a Git branch, tag or commit, without characters that have a meaning in a URL or a path.
var revision = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}$`)

// quant is the part of a GGUF file's name that tells its type.
var quant = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// ParseRef reads [hf://|ms://]ORG/NAME[:QUANT][@REV].
func ParseRef(text string) (Ref, error) {
	r := Ref{}
	rest := text
	if s, ok := strings.CutPrefix(rest, "hf://"); ok {
		rest = s
	} else if s, ok := strings.CutPrefix(rest, "ms://"); ok {
		rest, r.Service = s, ModelScope
	}
	bad := func(what string) (Ref, error) { return Ref{}, fmt.Errorf("%q %w: %s", text, ErrRef, what) }
	rest, rev, hasRev := strings.Cut(rest, "@")
	rest, q, hasQuant := strings.Cut(rest, ":")
	if !isID(rest) {
		return bad("it must be ORG/NAME, as SmallThinker's is Tiiny/SmallThinker-4BA0.6B-Instruct")
	}
	if hasQuant && !quant.MatchString(q) {
		return bad("what follows the colon is the type of a GGUF file, such as Q4_0")
	}
	if hasRev && (!revision.MatchString(rev) || strings.Contains(rev, "..") || strings.HasSuffix(rev, "/")) {
		return bad("what follows @ is a branch, a tag or a commit")
	}
	r.Org, r.Name, _ = strings.Cut(rest, "/")
	r.Quant, r.Revision = q, rev
	return r, nil
}

func isPart(s string) bool {
	return part.MatchString(s) && !strings.Contains(s, "..") && !strings.HasSuffix(s, ".git")
}

// isID reports whether a text is ORG/NAME.
func isID(text string) bool {
	org, name, ok := strings.Cut(text, "/")
	return ok && isPart(org) && isPart(name)
}

// HasScheme reports whether a text begins as a reference that cannot be a path.
func HasScheme(text string) bool {
	return strings.HasPrefix(text, "hf://") || strings.HasPrefix(text, "ms://")
}

// ID returns ORG/NAME.
func (r Ref) ID() string { return r.Org + "/" + r.Name }

// String returns what [ParseRef] reads: with a scheme if it is not the Hub's.
func (r Ref) String() string {
	s := r.ID()
	if r.Service != HuggingFace {
		s = r.Service.String() + "://" + s
	}
	if r.Quant != "" {
		s += ":" + r.Quant
	}
	if r.Revision != "" {
		s += "@" + r.Revision
	}
	return s
}
