package tokenizer

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// stringMethods are the engine's, with those that return lists or take
// optional arguments replaced.
var stringMethods = replaceMethods(builtins.Methods.Str, []string{
	"capitalize", "casefold", "center", "count", "expandtabs", "find", "format", "isalnum", "isalpha",
	"isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join",
	"ljust", "lower", "removeprefix", "removesuffix", "rfind", "rjust", "swapcase", "title",
	"upper", "zfill",
}, map[string]exec.Method[string]{
	"split":      splitMethod(strings.Fields, splitLeft),
	"rsplit":     splitMethod(strings.Fields, splitRight),
	"splitlines": splitLinesMethod,
	"strip":      stripMethod(strings.Trim, strings.TrimFunc),
	"lstrip":     stripMethod(strings.TrimLeft, strings.TrimLeftFunc),
	"rstrip":     stripMethod(strings.TrimRight, strings.TrimRightFunc),
	"partition":  partitionMethod,
	"startswith": affixMethod(strings.HasPrefix),
	"endswith":   affixMethod(strings.HasSuffix),
	"replace":    replaceMethod,
})

// dictMethods are those of a dict that keeps the order of its keys.
var dictMethods = replaceMethods(builtins.Methods.Dict, []string{"pop", "setdefault", "update", "copy", "clear"},
	map[string]exec.Method[map[string]any]{
		"keys": func(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
			return column(self, 0), args.Take()
		},
		"values": func(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
			return column(self, 1), args.Take()
		},
		"items": func(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
			return items(self), args.Take()
		},
		"get": getMethod,
	})

// replaceMethods returns the named methods of set, which cannot be listed, and
// those of replaced.
func replaceMethods[T any](set *exec.MethodSet[T], names []string, replaced map[string]exec.Method[T]) *exec.MethodSet[T] {
	for _, name := range names {
		if method, ok := set.Get(name); ok {
			replaced[name] = method
		}
	}
	return exec.NewMethodSet(replaced)
}

func column(dict *exec.Value, i int) list {
	all := list{}
	for _, p := range pairs(dict) {
		all = append(all, []any{p.Key, p.Value}[i])
	}
	return all
}

func getMethod(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
	if len(args.Args) < 1 || len(args.Args) > 2 {
		return nil, fmt.Errorf("get takes a key and a default")
	}
	for _, p := range pairs(self) {
		if p.Key.EqualValueTo(args.Args[0]) {
			return p.Value.Interface(), nil
		}
	}
	if len(args.Args) == 2 {
		return args.Args[1].Interface(), nil
	}
	return noneValue, nil
}

// splitMethod is str.split or str.rsplit: at white space, or at a separator
// by the function of that name.
func splitMethod(fields func(string) []string, split func(s, sep string, n int) []string) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		var sep *exec.Value
		limit := -1
		if err := args.Take(
			exec.KeywordArgument("sep", exec.AsValue(nil), func(v *exec.Value) error { sep = v; return nil }),
			exec.KeywordArgument("maxsplit", exec.AsValue(-1), exec.IntArgument(&limit)),
		); err != nil {
			return nil, exec.ErrInvalidCall(err)
		}
		switch {
		case sep.IsNil() && limit < 0:
			return stringList(fields(self)), nil
		case sep.IsNil():
			return nil, fmt.Errorf("split with maxsplit but no separator is not supported")
		case !sep.IsString() || sep.String() == "":
			return nil, fmt.Errorf("split takes a separator that is not empty")
		}
		return stringList(split(self, sep.String(), limit)), nil
	}
}

// splitLeft makes n splits from the left, or all if n is negative.
func splitLeft(s, sep string, n int) []string {
	if n < 0 {
		return strings.Split(s, sep)
	}
	return strings.SplitN(s, sep, n+1)
}

// splitRight makes n splits from the right, or all if n is negative.
func splitRight(s, sep string, n int) []string {
	parts := strings.Split(s, sep)
	if n < 0 || n >= len(parts)-1 {
		return parts
	}
	first := len(parts) - n
	return append([]string{strings.Join(parts[:first], sep)}, parts[first:]...)
}

func splitLinesMethod(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	keep := false
	if err := args.Take(exec.KeywordArgument("keepends", exec.AsValue(false), exec.BoolArgument(&keep))); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	const ends = "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"
	all := list{}
	for self != "" {
		end := strings.IndexAny(self, ends)
		if end < 0 {
			return append(all, self), nil
		}
		next := end + len("\r\n")
		if !strings.HasPrefix(self[end:], "\r\n") {
			next = end + len(string([]rune(self[end:])[:1]))
		}
		if keep {
			end = next
		}
		all = append(all, self[:end])
		self = self[next:]
	}
	return all, nil
}

func stripMethod(trim func(s, cutset string) string, trimFunc func(s string, f func(rune) bool) string) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		var chars *exec.Value
		if err := args.Take(
			exec.KeywordArgument("chars", exec.AsValue(nil), func(v *exec.Value) error { chars = v; return nil }),
		); err != nil {
			return nil, exec.ErrInvalidCall(err)
		}
		if chars.IsNil() {
			return trimFunc(self, unicode.IsSpace), nil
		}
		return trim(self, chars.String()), nil
	}
}

func partitionMethod(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	if len(args.Args) != 1 || args.Args[0].String() == "" {
		return nil, fmt.Errorf("partition takes a separator that is not empty")
	}
	sep := args.Args[0].String()
	before, after, found := strings.Cut(self, sep)
	if !found {
		sep = ""
	}
	return list{before, sep, after}, nil
}

// affixMethod is str.startswith or str.endswith, of one affix or any of several.
func affixMethod(has func(s, affix string) bool) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) != 1 || !args.Args[0].IsString() && !args.Args[0].IsList() {
			return nil, fmt.Errorf("startswith and endswith take a string or several in a tuple")
		}
		affix := args.Args[0]
		if affix.IsString() {
			return has(self, affix.String()), nil
		}
		for i := range affix.Len() {
			if has(self, affix.Index(i).String()) {
				return true, nil
			}
		}
		return false, nil
	}
}

func replaceMethod(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	var old, new string
	count := -1
	if err := args.Take(
		exec.PositionalArgument("old", nil, exec.StringArgument(&old)),
		exec.PositionalArgument("new", nil, exec.StringArgument(&new)),
		exec.PositionalArgument("count", exec.AsValue(-1), exec.IntArgument(&count)),
	); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	return strings.Replace(self, old, new, count), nil
}

func stringList(parts []string) list {
	all := make(list, len(parts))
	for i, s := range parts {
		all[i] = s
	}
	return all
}
