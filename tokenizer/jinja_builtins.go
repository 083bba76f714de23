package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// jinjaEnvironment is the engine's, with what is missing in it or differs from
// Jinja replaced. It is not changed after it is made.
var jinjaEnvironment = &exec.Environment{
	Context: exec.EmptyContext().Update(builtins.GlobalFunctions).
		Update(exec.NewContext(map[string]any{"range": rangeList})),
	Filters: exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters).
		Update(exec.NewFilterSet(map[string]exec.FilterFunction{
			"tojson":  filterToJSON,
			"items":   filterItems,
			"default": filterDefault,
			"d":       filterDefault,
			"list":    filterList,
			"format":  filterFormat,
		})),
	Tests: exec.NewTestSet(map[string]exec.TestFunction{}).Update(builtins.Tests).
		Update(exec.NewTestSet(map[string]exec.TestFunction{
			"defined":   test(isDefined),
			"undefined": test(func(v *exec.Value) bool { return !isDefined(v) }),
			"none":      test(isNone),
			"true":      test(func(v *exec.Value) bool { return v.IsBool() && v.Bool() }),
			"false":     test(func(v *exec.Value) bool { return v.IsBool() && !v.Bool() }),
			"sequence":  test(func(v *exec.Value) bool { return v.IsIterable() }),
		})),
	ControlStructures: exec.NewControlStructureSet(map[string]parser.ControlStructureParser{}).
		Update(builtins.ControlStructures).
		Update(exec.NewControlStructureSet(map[string]parser.ControlStructureParser{"generation": parseGeneration})),
	Methods: exec.Methods{
		Bool:  builtins.Methods.Bool,
		Int:   builtins.Methods.Int,
		Float: builtins.Methods.Float,
		List:  builtins.Methods.List,
		Str:   stringMethods,
		Dict:  dictMethods,
	},
}

func test(f func(v *exec.Value) bool) exec.TestFunction {
	return func(_ *exec.Context, v *exec.Value, params *exec.VarArgs) (bool, error) { return f(v), params.Take() }
}

// maxRange bounds the list that range makes.
const maxRange = 1 << 20

func rangeList(params *exec.VarArgs) (*exec.Value, error) {
	var n [3]int
	for i, arg := range params.Args {
		if i == len(n) || !arg.IsInteger() {
			return nil, errors.New("range takes one to three integers")
		}
		n[i] = arg.Integer()
	}
	start, stop, step := n[0], n[1], n[2]
	switch len(params.Args) {
	case 0:
		return nil, errors.New("range takes one to three integers")
	case 1:
		start, stop, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 {
		return nil, errors.New("range: the step is zero")
	}
	items := list{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(items) == maxRange {
			return nil, fmt.Errorf("range has more than %d items", maxRange)
		}
		items = append(items, i)
	}
	return exec.AsValue(items), nil
}

// filterToJSON is the tojson of Transformers: json.dumps with
// ensure_ascii=False, and no escapes for HTML.
func filterToJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	var indent, separators *exec.Value
	style := jsonStyle{itemSep: ", ", keySep: ": "}
	value := func(to **exec.Value) func(*exec.Value) error {
		return func(v *exec.Value) error { *to = v; return nil }
	}
	if err := params.Take(
		exec.KeywordArgument("ensure_ascii", exec.AsValue(false), exec.BoolArgument(&style.onlyASCII)),
		exec.KeywordArgument("indent", exec.AsValue(nil), value(&indent)),
		exec.KeywordArgument("separators", exec.AsValue(nil), value(&separators)),
		exec.KeywordArgument("sort_keys", exec.AsValue(false), exec.BoolArgument(&style.sortKeys)),
	); err != nil {
		return exec.AsValue(exec.ErrInvalidCall(err))
	}
	switch {
	case indent.IsString():
		style.indent = indent.String()
	case indent.IsInteger():
		style.indent = strings.Repeat(" ", min(max(indent.Integer(), 0), 80))
	}
	if style.indent != "" {
		style.itemSep = ","
	}
	if separators.IsList() && separators.Len() == 2 {
		style.itemSep, style.keySep = separators.Index(0).String(), separators.Index(1).String()
	}
	var b strings.Builder
	if err := style.writeJSON(&b, in, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(b.String())
}

// filterItems is the items of a dict as (key, value), in their order.
func filterItems(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	switch {
	case in.IsError():
		return in
	case !in.IsDict() && isDefined(in):
		return exec.AsValue(errors.New("items: the value is not a dict"))
	}
	return exec.AsValue(items(in))
}

func items(v *exec.Value) list {
	all := list{}
	for _, p := range pairs(v) {
		all = append(all, list{p.Key, p.Value})
	}
	return all
}

// filterDefault replaces what is undefined and, if its second argument is
// true, what is false.
func filterDefault(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	var fallback *exec.Value
	var boolean bool
	if err := params.Take(
		exec.KeywordArgument("default_value", exec.AsValue(""), func(v *exec.Value) error { fallback = v; return nil }),
		exec.KeywordArgument("boolean", exec.AsValue(false), exec.BoolArgument(&boolean)),
	); err != nil {
		return exec.AsValue(exec.ErrInvalidCall(err))
	}
	if !isDefined(in) || boolean && !in.IsTrue() {
		return fallback
	}
	return in
}

// filterList is a list of the items of a list, the keys of a dict or the
// characters of a string.
func filterList(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	all := list{}
	if in.IsString() {
		for _, r := range in.String() {
			all = append(all, string(r))
		}
		return exec.AsValue(all)
	}
	in.Iterate(func(_, _ int, item, _ *exec.Value) bool {
		all = append(all, item)
		return true
	}, func() {})
	return exec.AsValue(all)
}

// filterFormat is the % of Python with the conversions that templates use.
func filterFormat(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	var b strings.Builder
	format, args := in.String(), params.Args
	for {
		before, after, found := strings.Cut(format, "%")
		b.WriteString(before)
		switch {
		case !found && len(args) > 0:
			return exec.AsValue(errors.New("format: more values than conversions"))
		case !found:
			return exec.AsValue(b.String())
		case strings.HasPrefix(after, "%"):
			b.WriteByte('%')
		case after == "" || after[0] != 's' && after[0] != 'd' || len(args) == 0:
			return exec.AsValue(fmt.Errorf("format: %%%.1s without a value, or not one of %%s, %%d and %%%%", after))
		default:
			b.WriteString(args[0].String())
			args = args[1:]
		}
		format = after[1:]
	}
}

func sortedByKey(all []*exec.Pair) []*exec.Pair {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *exec.Pair) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return all
}

// generation is the tag {% generation %}, with which templates mark what the
// assistant said, for training. It renders what is in it.
type generation struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func (g *generation) Position() *tokens.Token { return g.at }
func (g *generation) String() string          { return "generation" }

func (g *generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteWrapper(g.body)
}

func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	at := p.Current()
	if !args.End() {
		return nil, args.Error("generation takes no arguments", args.Current())
	}
	body, end, err := p.WrapUntil("endgeneration")
	if err != nil {
		return nil, err
	}
	if !end.End() {
		return nil, end.Error("endgeneration takes no arguments", end.Current())
	}
	return &generation{at, body}, nil
}
