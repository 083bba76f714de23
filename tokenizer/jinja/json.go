package jinja

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// jsonStyle is how to write JSON: the arguments of Python's json.dumps.
type jsonStyle struct {
	indented            bool
	indent              string
	itemSep, keySep     string
	sortKeys, onlyASCII bool
}

// filterToJSON is the tojson of Transformers: json.dumps, without escapes for
// HTML.
func filterToJSON(in *interp, a []any) any {
	style := jsonStyle{itemSep: ", ", keySep: ": ", onlyASCII: truth(a[1]), sortKeys: truth(a[4])}
	if a[2] != nil {
		style.indented, style.itemSep = true, ","
		if s, ok := text(a[2]); ok {
			style.indent = s
		} else {
			n := max(in.argInt("indent", a[2]), 0)
			in.alloc(n)
			style.indent = strings.Repeat(" ", n)
		}
	}
	if a[3] != nil {
		separators := in.list(a[3])
		if len(separators) != 2 {
			in.fail("tojson: separators are two strings")
		}
		style.itemSep, style.keySep = in.argString("separators", separators[0]), in.argString("separators", separators[1])
	}
	w := &strings.Builder{}
	in.writeJSON(w, &style, a[0], 0)
	return w.String()
}

func (in *interp) writeJSON(w *strings.Builder, s *jsonStyle, v any, depth int) {
	in.enterData()
	defer in.leaveData()
	switch v := v.(type) {
	case nil:
		w.WriteString("null")
	case bool:
		w.WriteString(strconv.FormatBool(v))
	case int64:
		w.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		w.WriteString(v.String())
	case float64:
		w.WriteString(jsonFloat(v))
	case string:
		in.writeJSONString(w, s, v)
	case markup:
		in.writeJSONString(w, s, string(v))
	case *list:
		in.writeJSONItems(w, s, v.items, depth)
	case *tuple:
		in.writeJSONItems(w, s, v.items, depth)
	case *dict:
		in.writeJSONDict(w, s, v, depth)
	default:
		if u, ok := v.(*undefined); ok {
			in.fail("tojson: %s", u.message())
		}
		in.fail("tojson: a %s has no JSON", typeName(v))
	}
}

// newline ends a line of indented JSON.
func (in *interp) newline(w *strings.Builder, s *jsonStyle, depth int) {
	if s.indented {
		in.alloc(depth*len(s.indent) + 1)
		in.checkSize(w)
		w.WriteByte('\n')
		w.WriteString(strings.Repeat(s.indent, depth))
	}
}

// checkSize bounds what is being built.
func (b *budget) checkSize(w *strings.Builder) {
	if w.Len() > b.value {
		b.alloc(w.Len())
	}
}

func (in *interp) writeJSONItems(w *strings.Builder, s *jsonStyle, items []any, depth int) {
	w.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.WriteString(s.itemSep)
		}
		in.newline(w, s, depth+1)
		in.writeJSON(w, s, item, depth+1)
	}
	if len(items) > 0 {
		in.newline(w, s, depth)
	}
	w.WriteByte(']')
}

func (in *interp) writeJSONDict(w *strings.Builder, s *jsonStyle, d *dict, depth int) {
	entries := d.entries
	if s.sortKeys {
		entries = slices.Clone(entries)
		slices.SortStableFunc(entries, func(x, y entry) int {
			switch {
			case in.less(x.key, y.key, "<"):
				return -1
			case in.less(y.key, x.key, "<"):
				return 1
			}
			return 0
		})
	}
	w.WriteByte('{')
	for i, e := range entries {
		if i > 0 {
			w.WriteString(s.itemSep)
		}
		in.newline(w, s, depth+1)
		in.writeJSONString(w, s, in.jsonKey(e.key))
		w.WriteString(s.keySep)
		in.writeJSON(w, s, e.value, depth+1)
	}
	if len(entries) > 0 {
		in.newline(w, s, depth)
	}
	w.WriteByte('}')
}

// jsonKey returns a key as the string that json.dumps makes of it.
func (in *interp) jsonKey(key any) string {
	switch k := key.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(k)
	case int64, *big.Int:
		return in.str(k)
	case float64:
		return jsonFloat(k)
	}
	s, ok := text(key)
	if !ok {
		in.fail("tojson: a %s cannot be a key", typeName(key))
	}
	return s
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (in *interp) writeJSONString(w *strings.Builder, s *jsonStyle, text string) {
	in.alloc(len(text))
	in.checkSize(w)
	w.WriteByte('"')
	start := 0
	for i, r := range text {
		if r >= ' ' && r != '"' && r != '\\' && (r < 0x7F || !s.onlyASCII) {
			continue
		}
		w.WriteString(text[start:i])
		escape, ok := jsonEscapes[r]
		size := 1
		switch {
		case ok:
			w.WriteString(escape)
		case r < 0x10000:
			fmt.Fprintf(w, `\u%04x`, r)
			size = len(string(r))
		default:
			fmt.Fprintf(w, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
			size = 4
		}
		if r == 0xFFFD && !strings.HasPrefix(text[i:], "\uFFFD") {
			size = 1 // a byte that is not UTF-8
		}
		start = i + size
	}
	w.WriteString(text[start:])
	w.WriteByte('"')
}
