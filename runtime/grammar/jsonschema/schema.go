package jsonschema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// Grammar returns the grammar of a JSON Schema (draft 2020-12, and what pydantic, zod and OpenAPI write of earlier ones). An [Error] names
// the place of what is not supported.
func Grammar(schema []byte) (*grammar.Grammar, error) {
	return GrammarContext(context.Background(), schema)
}

// GrammarContext is Grammar that gives up, with the cause, when ctx ends.
func GrammarContext(ctx context.Context, schema []byte) (*grammar.Grammar, error) {
	c, err := newCompiler(ctx, schema)
	if err != nil {
		return nil, err
	}
	return c.compile(all{{c.root, whole}})
}

// ObjectsContext is GrammarContext of the objects that are valid against a schema, which may let other values be valid, too. It is an error if none is.
func ObjectsContext(ctx context.Context, schema []byte) (*grammar.Grammar, error) {
	c, err := newCompiler(ctx, schema)
	if err == nil {
		err = c.check(c.root)
	}
	if err != nil {
		return nil, err
	}
	a := all{{c.root, whole}}
	switch t := typesOf(c.root); {
	case t == objectType:
	case t&objectType == 0:
		return nil, errorf(c.root, "no object is valid against it")
	default:
		a = a.with(element{c.ofTypes(c.root, objectType)[0], whole})
	}
	return c.compile(a)
}

// newCompiler reads a schema.
func newCompiler(ctx context.Context, schema []byte) (*compiler, error) {
	root, err := parse(ctx, schema)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	c := &compiler{
		ctx: ctx, root: root, rules: map[string]*grammar.Rule{}, checked: map[*value]bool{},
		patterns: map[patternKey]*pattern{}, names: map[string]*namePattern{}, conditional: map[*value][]*value{}, negations: map[*value]*value{},
		write: canonical(),
	}
	c.refAlone, c.unevaluated = ofDrafts(root, "draft-03", "draft-04", "draft-06", "draft-07"), root.mentions("unevaluatedProperties")
	return c, nil
}

// ofDrafts reports whether a document says that it is of one of some drafts.
func ofDrafts(root *value, drafts ...string) bool {
	s := root.get("$schema")
	return s != nil && slices.ContainsFunc(drafts, func(d string) bool { return strings.Contains(s.text, d) })
}

// compiler makes rules of schemas.
type compiler struct {
	ctx       context.Context
	root      *value
	rules     map[string]*grammar.Rule // by key of all
	checked   map[*value]bool
	patterns  map[patternKey]*pattern
	names     map[string]*namePattern // by expression
	write     func(automaton.Set) *grammar.Grammar
	alike     bool           // equal values are written alike
	strict    bool           // those of alternatives, too
	forked    bool           // there are alternatives for what is written alike
	variants  variants       // of the place that is being compiled
	order     map[string]int // of listedNames
	mentioned []string       // what listedNames returns
	level     []string       // keys of what is being compiled for one place of the instance
	depth     int
	work      int
	listed    bool // what validates is from the enum itself

	conditional map[*value][]*value // what conditions returns
	negations   map[*value]*value
	references  *references // nil: there was none yet
	count       int         // of what is made
	refAlone    bool        // drafts to 7 pass over what stands beside $ref
	unevaluated bool        // there is unevaluatedProperties
	unwritten   bool        // schemas exclude each other because something is never written
}

// part is what of a schema counts.
type part uint8

const (
	whole part = iota
	plain      // all but $ref, allOf, anyOf, oneOf
	anyOf
	oneOf
)

// element is a schema, or a part of it.
type element struct {
	at   *value
	part part
}

// all is schemas that an instance must validate against.
type all []element

// key names a set of schemas.
func (a all) key() string {
	ids := make([]int, len(a))
	for i, e := range a {
		ids[i] = e.at.id<<2 | int(e.part)
	}
	slices.Sort(ids)
	return fmt.Sprint(ids)
}

// with returns the schemas and one more.
func (a all) with(e ...element) all { return append(slices.Clip(a), e...) }

// variants is how many ways there are to write an object and an array at one place of the instance.
type variants struct{ objects, arrays int }

// Limits of what a schema may come to: conjunctions of choices can be exponentially many.
const (
	maxRules = 50_000
	maxLevel = 200
	maxWork  = 400_000 // schemas that are looked at

	patternWork = 40  // what a pattern counts as: its automaton takes that much longer than a schema
	boundWork   = 128 // what a number with a fraction and a bound counts as
	memberWork  = 128 // so many members, each looked for in one schema, count as one
	stateWork   = 4   // so many states of an automaton of strings that several keywords narrow count as one
)

// spend counts what is looked at, for the schema at a place.
func (c *compiler) spend(at *value, n int) error {
	before := c.work
	c.work += n
	switch {
	case c.work > maxWork:
		return errorf(at, "the schema comes to more than %d parts: it has too many choices within allOf, alternatives of oneOf, or values of an enum", maxWork)
	case before/pollValues != c.work/pollValues && c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	}
	return nil
}

// compile returns the grammar of what validates against all of the schemas.
func (c *compiler) compile(a all) (*grammar.Grammar, error) {
	key := a.key()
	if c.alike {
		key = fmt.Sprint("alike ", c.strict, key)
	}
	if r := c.rules[key]; r != nil {
		return r.Grammar(), nil
	}
	if len(c.rules) >= maxRules {
		return nil, errorf(a[0].at, "the schema comes to more than %d cases", maxRules)
	}
	r := grammar.NewRule(pointer(a[0].at))
	c.rules[key] = r
	level, before := c.level, c.variants
	c.level, c.variants = nil, variants{}
	g, err := c.choices(a)
	c.level, c.variants = level, before
	if err != nil {
		return nil, err
	}
	r.Define(g)
	return r.Grammar(), nil
}

// choices returns the grammar of schemas at one place of the instance.
func (c *compiler) choices(a all) (*grammar.Grammar, error) {
	key := a.key()
	if slices.Contains(c.level, key) {
		return nil, errorf(a[0].at, "the schema refers to itself without end")
	}
	if len(c.level) > maxLevel {
		return nil, errorf(a[0].at, "choices and references are nested deeper than %d", maxLevel)
	}
	c.level = append(c.level, key)
	defer func() { c.level = c.level[:len(c.level)-1] }()
	f, err := c.flatten(a)
	if err != nil || f.never {
		return grammar.Choice(), err
	}
	if ok, err := c.contradicts(f); ok || err != nil {
		return grammar.Choice(), err
	}
	cases, err := c.cases(f)
	if err != nil {
		return nil, err
	}
	if cases == nil {
		return c.plain(f)
	}
	var parts []*grammar.Grammar
	for _, sub := range cases {
		g, err := c.choices(sub)
		if err != nil {
			return nil, err
		}
		parts = append(parts, g)
	}
	return grammar.Choice(parts...), nil
}

// flat is schemas without references and allOf.
type flat struct {
	never   bool
	plain   all
	choices all // their anyOf and oneOf
}

// flatten follows references, allOf and conditions.
func (c *compiler) flatten(a all) (f flat, err error) { return c.flattenWith(a, true) }

// flattenWith is flatten, perhaps without conditions: what those are written as is no more than is valid, and for some purposes no less counts.
func (c *compiler) flattenWith(a all, conditions bool) (flat, error) {
	f := flattener{c: c, of: a, conditions: conditions, seen: map[element]bool{}, open: map[element]bool{}}
	for _, e := range a {
		if err := f.visit(e, 0); err != nil {
			return f.out, err
		}
	}
	return f.out, nil
}

// flattener makes a flat of schemas.
type flattener struct {
	c          *compiler
	of         all
	out        flat
	conditions bool
	seen       map[element]bool
	open       map[element]bool // those that are being visited
}

// visit takes in a schema or a part of one.
func (f *flattener) visit(e element, depth int) error {
	if f.seen[e] {
		return nil
	}
	f.seen[e], f.open[e] = true, true
	defer delete(f.open, e)
	if err := f.c.spend(f.of[0].at, 1); err != nil {
		return err
	}
	switch {
	case depth > maxLevel:
		return errorf(e.at, "references are nested deeper than %d", maxLevel)
	case e.at.kind == isTrue:
	case e.at.kind == isFalse:
		f.out.never = true
	case e.at.kind != isObject:
		return errorf(e.at, "a schema is an object, true or false")
	case e.part == plain || e.at.others:
		f.out.plain = append(f.out.plain, element{e.at, plain})
	case e.part != whole:
		f.out.choices = append(f.out.choices, e)
	default:
		return f.object(e.at, depth)
	}
	return nil
}

// object takes in an object: what it refers to, itself, and what it asks for besides.
func (f *flattener) object(s *value, depth int) error {
	if err := f.c.check(s); err != nil {
		return err
	}
	if err := checkUnevaluated(s, f.of, f.open); err != nil {
		return err
	}
	if err := f.reference(s, depth); err != nil {
		return err
	}
	if err := f.visit(element{s, plain}, depth); err != nil {
		return err
	}
	if members := s.get("allOf"); members != nil {
		if err := f.each(members.list, depth+1); err != nil {
			return err
		}
	}
	if f.conditions {
		made, err := f.c.conditions(s)
		if err != nil {
			return err
		}
		if err := f.each(made, depth+1); err != nil {
			return err
		}
	}
	for _, choice := range []struct {
		keyword string
		part    part
	}{{"anyOf", anyOf}, {"oneOf", oneOf}} {
		if s.get(choice.keyword) != nil {
			if err := f.visit(element{s, choice.part}, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// each takes in whole schemas.
func (f *flattener) each(schemas []*value, depth int) error {
	for _, s := range schemas {
		if err := f.visit(element{s, whole}, depth); err != nil {
			return err
		}
	}
	return nil
}

// reference takes in what a schema's $ref names.
func (f *flattener) reference(s *value, depth int) error {
	ref := s.get("$ref")
	if ref == nil {
		return nil
	}
	to, err := f.c.resolve(ref)
	if err != nil {
		return err
	}
	if f.open[element{to, whole}] && len(s.keys) == 1 {
		return errorf(ref, "the schema refers to itself without end")
	}
	return f.visit(element{to, whole}, depth+1)
}

// cases returns what schemas come to if each alternative of the first choice is taken; nil: there is no choice.
func (c *compiler) cases(f flat) ([]all, error) {
	if len(f.choices) == 0 {
		return nil, nil
	}
	choice := f.choices[0]
	rest := slices.Concat(f.plain, f.choices[1:])
	keyword := "anyOf"
	if choice.part == oneOf {
		keyword = "oneOf"
	}
	cases := []all{}
	for _, alternative := range choice.at.get(keyword).list {
		cases = append(cases, rest.with(element{alternative, whole}))
	}
	if choice.part == oneOf {
		return c.exclusive(choice.at, cases)
	}
	return cases, nil
}
