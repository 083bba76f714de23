package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"st/tokenizer/regex"
)

// ErrUnsupported is the error of a tokenizer with a part that this package
// does not know; the error around it names the part.
var ErrUnsupported = errors.New("not supported")

// component is a normalizer, a pre-tokenizer or a decoder, in the words of
// tokenizer.json. Fields that the type does not have are zero.
type component struct {
	Type string `json:"type"`

	// Replace, Split
	Pattern *pattern `json:"pattern,omitempty"`
	Content string   `json:"content,omitempty"` // Replace: what is put there; Strip: the character to strip

	Prepend string `json:"prepend,omitempty"` // Prepend

	StripLeft  bool `json:"strip_left,omitempty"` // Strip, the normalizer
	StripRight bool `json:"strip_right,omitempty"`

	Start int `json:"start,omitempty"` // Strip, the decoder: how many at most
	Stop  int `json:"stop,omitempty"`

	Behavior string `json:"behavior,omitempty"` // Split, Punctuation
	Invert   bool   `json:"invert,omitempty"`

	AddPrefixSpace *bool `json:"add_prefix_space,omitempty"` // ByteLevel; Metaspace of old
	UseRegex       *bool `json:"use_regex,omitempty"`        // ByteLevel

	Replacement   string `json:"replacement,omitempty"` // Metaspace
	PrependScheme string `json:"prepend_scheme,omitempty"`
	Split         *bool  `json:"split,omitempty"`

	IndividualDigits bool   `json:"individual_digits,omitempty"` // Digits
	Length           int    `json:"length,omitempty"`            // FixedLength
	Delimiter        string `json:"delimiter,omitempty"`         // CharDelimiterSplit
	Suffix           string `json:"suffix,omitempty"`            // BPEDecoder
}

// pattern is a text or a regular expression.
type pattern struct {
	String *string `json:"String,omitempty"`
	Regex  *string `json:"Regex,omitempty"`
}

// The names of the components.
const (
	typeSequence  = "Sequence"
	typeByteLevel = "ByteLevel"
	typeMetaspace = "Metaspace"
	typeSplit     = "Split"
	typeReplace   = "Replace"
	typeStrip     = "Strip"
	typeFuse      = "Fuse"
)

// behaviors says what becomes of what a splitting pattern matches.
var behaviors = []string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

func isTrue(b *bool, unset bool) bool {
	if b == nil {
		return unset
	}
	return *b
}

// compile returns the matcher of a pattern.
func (p *pattern) compile() (matcher, error) {
	switch {
	case p == nil || p.String == nil && p.Regex == nil:
		return nil, errors.New("pattern: is missing")
	case p.String != nil:
		return literal(*p.String), nil
	}
	if k, ok := splitters[*p.Regex]; ok {
		return k, nil
	}
	re, err := regex.Compile(*p.Regex)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	return (*expression)(re), nil
}

// oneRune returns the character of a text that must have exactly one.
func oneRune(field, s string) (rune, error) {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || n != len(s) {
		return 0, fmt.Errorf("%s: %q is not one character", field, s)
	}
	return r, nil
}

// keep returns c with the fields that its type has, for the section to hold
// those alone.
func (c component) keep(fields ...string) component {
	k := component{Type: c.Type}
	for _, f := range fields {
		switch f {
		case "pattern":
			k.Pattern = c.Pattern
		case "content":
			k.Content = c.Content
		case "prepend":
			k.Prepend = c.Prepend
		case "sides":
			k.StripLeft, k.StripRight = c.StripLeft, c.StripRight
		case "counts":
			k.Start, k.Stop = c.Start, c.Stop
		case "behavior":
			k.Behavior, k.Invert = c.Behavior, c.Invert
		case "bytelevel":
			k.AddPrefixSpace, k.UseRegex = c.AddPrefixSpace, c.UseRegex
		case "metaspace":
			k.Replacement, k.PrependScheme, k.Split, k.AddPrefixSpace = c.Replacement, c.PrependScheme, c.Split, c.AddPrefixSpace
		case "digits":
			k.IndividualDigits = c.IndividualDigits
		case "length":
			k.Length = c.Length
		case "delimiter":
			k.Delimiter = c.Delimiter
		case "suffix":
			k.Suffix = c.Suffix
		}
	}
	return k
}

// metaspace is Metaspace, as a pre-tokenizer and as a decoder.
type metaspace struct {
	replacement rune
	text        string // replacement
	scheme      string
	split       bool
}

func (c component) metaspace() (m metaspace, err error) {
	if m.replacement, err = oneRune("replacement", c.Replacement); err != nil {
		return m, err
	}
	m.text, m.scheme, m.split = c.Replacement, c.PrependScheme, isTrue(c.Split, true)
	if m.scheme == "" {
		m.scheme = "always"
		if !isTrue(c.AddPrefixSpace, true) {
			m.scheme = "never"
		}
	} else if !isTrue(c.AddPrefixSpace, true) && m.scheme != "never" {
		return m, fmt.Errorf("prepend_scheme: %q contradicts add_prefix_space false", m.scheme)
	}
	if !slices.Contains([]string{"always", "first", "never"}, m.scheme) {
		return m, fmt.Errorf("prepend_scheme: %w: %q", ErrUnsupported, m.scheme)
	}
	return m, nil
}

// named prefixes an error with the kind and type of the component that it is about.
func named(kind string, c component, err error) error {
	return fmt.Errorf("%s: %s: %w", kind, c.Type, err)
}

func unsupportedType(kind string, c component, known string) error {
	if c.Type == "" {
		return fmt.Errorf("%s: %w: a component without a type", kind, ErrUnsupported)
	}
	return fmt.Errorf("%s: %w: type %q; known are %s", kind, ErrUnsupported, c.Type, strings.Join(strings.Fields(known), ", "))
}

// maxGrowth is how many times longer than a text its components may make it: a
// bound for hostile files, in which each of many components doubles it.
const maxGrowth = 1 << 12

// checkComponents refuses more components than any tokenizer has, and such as
// may make a text grow without bound.
func checkComponents(kind string, components []component) error {
	if len(components) > maxComponents {
		return fmt.Errorf("%s: %w: more than %d components", kind, ErrUnsupported, maxComponents)
	}
	growth := 1
	for _, c := range components {
		growth *= c.growth()
		if growth > maxGrowth {
			return fmt.Errorf("%s: %w: components that may make a text more than %d times longer", kind, ErrUnsupported, maxGrowth)
		}
	}
	return nil
}

// growth returns how many times longer a component may make a text, up to
// maxGrowth+1.
func (c component) growth() int {
	most := func(from, to int) int { return min((to+from-1)/from, maxGrowth) + 1 }
	switch c.Type {
	case typeByteLevel:
		return 2
	case "NFD", "NFKC", "NFKD":
		return 11 // U+FDFA: 3 bytes that become 33
	case typeReplace:
		if c.Pattern != nil && c.Pattern.String != nil && *c.Pattern.String != "" {
			if from := len(*c.Pattern.String); len(c.Content) > from {
				return most(from, len(c.Content))
			}
			return 1
		}
		return most(1, len(c.Content))
	case typeMetaspace:
		return most(1, len(c.Replacement)) - 1
	}
	return 1
}
