package models

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Sentinel errors. Each is a part of a sentence that names the model.
var (
	// ErrName is about a text that cannot be a name.
	ErrName = errors.New("is not a name of a model")
	// ErrNotFound is about a name that no model has.
	ErrNotFound = errors.New("there is no model")
	// ErrAmbiguous is about a short name that several models have.
	ErrAmbiguous = errors.New("names several models")
)

// Name is the name of a model: Org/Model:Tag. Org and Tag may be empty.
type Name struct{ Org, Model, Tag string }

func (n Name) String() string {
	s := n.Model
	if n.Org != "" {
		s = n.Org + "/" + s
	}
	if n.Tag != "" {
		s += ":" + n.Tag
	}
	return s
}

// maxPart bounds the parts of a name: Hugging Face's have 96 bytes at most, and file names 255.
const maxPart = 96

var (
	partForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	// reserved are names of devices on Windows, also with an extension.
	reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
	// ours are the endings by which an argument is a file's name.
	ours = regexp.MustCompile(`(?i)\.(stm|gguf)(\.|$)`)
)

// hosts are what some clients write before the names of models on Hugging Face.
var hosts = []string{"hf.co/", "huggingface.co/", "https://huggingface.co/", "hf://"}

// latest is the tag that clients of Ollama add to names without one.
const latest = "latest"

// ParseName reads a name. What may be a path, a device or hard to type on some system is refused with [ErrName].
func ParseName(s string) (n Name, err error) {
	bad := func(why string) (Name, error) { return Name{}, fmt.Errorf("%q %w: %s", s, ErrName, why) }
	rest := s
	for i := 0; i < len(hosts); i++ {
		if after, ok := strings.CutPrefix(rest, hosts[i]); ok {
			rest, i = after, -1
		}
	}
	if org, model, ok := strings.Cut(rest, "/"); ok {
		n.Org, rest = org, model
		if err := checkPart(org); err != nil {
			return bad(err.Error())
		}
	}
	model, tag, tagged := strings.Cut(rest, ":")
	n.Model = model
	if err := checkPart(model); err != nil {
		return bad(err.Error())
	}
	if tagged {
		if err := checkPart(tag); err != nil {
			return bad(err.Error())
		}
		if !strings.EqualFold(tag, latest) {
			n.Tag = tag
		}
	}
	return n, nil
}

// checkPart tells what is wrong with a part of a name.
func checkPart(part string) error {
	switch {
	case part == "":
		return errors.New("a part of ORG/NAME:TAG is empty")
	case len(part) > maxPart:
		return fmt.Errorf("a part of it has more than %d characters", maxPart)
	case !partForm.MatchString(part):
		return errors.New("ORG/NAME:TAG has letters of a to z, digits, and . _ - that do not come first")
	case strings.HasSuffix(part, "."), strings.Contains(part, ".."):
		return errors.New("it has dots at the end, or two in a row")
	case reserved.MatchString(part):
		return fmt.Errorf("%s is a device on Windows", part)
	case ours.MatchString(part):
		return errors.New("it has the ending of a file's name: leave that out")
	}
	return nil
}

// Match returns which of some models a name means, and ErrNotFound or ErrAmbiguous in an error that lists candidates. The first of these rules by
// which a model fits decides, and it must be one model alone:
//
//   - its name is the same,
//   - or differs in the case of letters,
//   - or has an organisation that the given name leaves out,
//   - or has a tag that the given name leaves out, too.
func Match(name string, all []Name) (int, error) {
	want, err := ParseName(name)
	if err != nil {
		return -1, err
	}
	tiers := []func(n Name) bool{
		func(n Name) bool { return n == want },
		func(n Name) bool { return strings.EqualFold(n.String(), want.String()) },
		func(n Name) bool { return want.covers(n) && strings.EqualFold(n.Tag, want.Tag) },
		func(n Name) bool { return want.covers(n) && want.Tag == "" },
	}
	for _, fits := range tiers {
		first, others := -1, []string(nil)
		for i, n := range all {
			if fits(n) {
				if first < 0 {
					first = i
				}
				others = append(others, n.String())
			}
		}
		switch len(others) {
		case 0:
		case 1:
			return first, nil
		default:
			return -1, fmt.Errorf("%q %w: %s", name, ErrAmbiguous, strings.Join(others, ", "))
		}
	}
	err = fmt.Errorf("%w %q", ErrNotFound, name)
	if near := Near(want, all); len(near) > 0 {
		err = fmt.Errorf("%w (near it: %s)", err, strings.Join(near, ", "))
	}
	return -1, err
}

// covers reports whether a name is that of n, whose organisation it may leave out, without regard to tags.
func (n Name) covers(other Name) bool {
	return strings.EqualFold(n.Model, other.Model) && (n.Org == "" || strings.EqualFold(n.Org, other.Org))
}

// mostNear is how many similar names an error lists.
const mostNear = 3

// Near returns names that somebody who typed n may mean, the nearest first: those that have it in them, or few other letters.
func Near(n Name, all []Name) (near []string) {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	want, model := strings.ToLower(n.String()), strings.ToLower(n.Model)
	for _, other := range all {
		full, short := strings.ToLower(other.String()), strings.ToLower(other.Model)
		d := min(levenshtein.ComputeDistance(want, full), levenshtein.ComputeDistance(model, short))
		if d <= max(2, len(model)/4) || len(model) >= 3 && strings.Contains(full, model) {
			found = append(found, candidate{other.String(), d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	for _, c := range found[:min(len(found), mostNear)] {
		near = append(near, c.name)
	}
	return near
}

// Begins reports whether a name, or what it is without its organisation, begins with a text, whatever the case of its letters.
func (n Name) Begins(text string) bool {
	short := n
	short.Org = ""
	text = strings.ToLower(text)
	return strings.HasPrefix(strings.ToLower(n.String()), text) || strings.HasPrefix(strings.ToLower(short.String()), text)
}
