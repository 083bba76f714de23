package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is str(v).
func (b *budget) str(v any) string {
	if s, ok := text(v); ok {
		return s
	}
	if _, ok := v.(*undefined); ok {
		return ""
	}
	return b.repr(v)
}

// repr is repr(v).
func (b *budget) repr(v any) string {
	var w strings.Builder
	b.writeRepr(&w, v)
	b.alloc(w.Len())
	return w.String()
}

// writeRepr writes repr(v). Data may nest: its depth and what is written are limited.
func (b *budget) writeRepr(w *strings.Builder, v any) {
	b.enterData()
	defer b.leaveData()
	if w.Len() > b.value {
		b.alloc(w.Len())
	}
	switch v := v.(type) {
	case nil:
		w.WriteString("None")
	case bool:
		if v {
			w.WriteString("True")
		} else {
			w.WriteString("False")
		}
	case int64:
		w.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		w.WriteString(v.String())
	case float64:
		w.WriteString(formatFloat(v))
	case string:
		b.scan(4 * len(v))
		writeQuoted(w, v)
	case markup:
		b.scan(4 * len(v))
		w.WriteString("Markup(")
		writeQuoted(w, string(v))
		w.WriteByte(')')
	case *list:
		b.writeItems(w, "[", v.items, "]")
	case *tuple:
		if len(v.items) == 1 {
			b.writeItems(w, "(", v.items, ",)")
		} else {
			b.writeItems(w, "(", v.items, ")")
		}
	case *dict:
		b.writeDict(w, v)
	case *rangeValue:
		if v.step == 1 {
			fmt.Fprintf(w, "range(%d, %d)", v.start, v.stop)
		} else {
			fmt.Fprintf(w, "range(%d, %d, %d)", v.start, v.stop, v.step)
		}
	case *view:
		b.writeView(w, v)
	default:
		b.writeObject(w, v)
	}
}

// writeObject writes what Jinja has and Python has not, and functions.
func (b *budget) writeObject(w *strings.Builder, v any) {
	switch v := v.(type) {
	case *undefined:
		w.WriteString("Undefined")
	case *namespace:
		w.WriteString("<Namespace ")
		b.writeRepr(w, v.attrs)
		w.WriteByte('>')
	case *macro:
		w.WriteString("<Macro ")
		writeQuoted(w, v.def.name)
		w.WriteByte('>')
	case *loopState:
		fmt.Fprintf(w, "<LoopContext %d/%d>", v.index+1, v.length())
	case *function:
		if v.method {
			fmt.Fprintf(w, "<built-in method %s of %s object>", v.title(), typeName(v.self))
		} else {
			fmt.Fprintf(w, "<function %s>", v.title())
		}
	default:
		fmt.Fprintf(w, "<%s object>", typeName(v))
	}
}

// title is the name of a function, which those that the caller passed do not have.
func (f *function) title() string {
	if f.builtin == nil {
		return "from outside"
	}
	return f.name
}

func (b *budget) writeItems(w *strings.Builder, opening string, items []any, closing string) {
	w.WriteString(opening)
	for i, item := range items {
		if i > 0 {
			w.WriteString(", ")
		}
		b.writeRepr(w, item)
	}
	w.WriteString(closing)
}

func (b *budget) writeDict(w *strings.Builder, d *dict) {
	w.WriteByte('{')
	for i, e := range d.entries {
		if i > 0 {
			w.WriteString(", ")
		}
		b.writeRepr(w, e.key)
		w.WriteString(": ")
		b.writeRepr(w, e.value)
	}
	w.WriteByte('}')
}

func (b *budget) writeView(w *strings.Builder, v *view) {
	w.WriteString("dict_" + v.kind + "([")
	next := dictIterator(v.d, v.kind)
	for i := range v.d.entries {
		if i > 0 {
			w.WriteString(", ")
		}
		item, _ := next()
		b.writeRepr(w, item)
	}
	w.WriteString("])")
}

// writeQuoted writes a string as Python's repr does.
func writeQuoted(w *strings.Builder, s string) {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	w.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case unicode.IsPrint(r):
			w.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(w, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(w, `\u%04x`, r)
		default:
			fmt.Fprintf(w, `\U%08x`, r)
		}
	}
	w.WriteRune(quote)
}

// formatFloat is repr(f): the shortest decimal that reads as f.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
