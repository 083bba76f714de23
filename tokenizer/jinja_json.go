package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// jsonStyle is how to write JSON: the arguments of Python's json.dumps.
type jsonStyle struct {
	indent              string // "" for one line
	itemSep, keySep     string
	sortKeys, onlyASCII bool
}

// writeJSON writes v as Python's json.dumps does.
func (s *jsonStyle) writeJSON(w *strings.Builder, v *exec.Value, depth int) error {
	newline := func(depth int) {
		if s.indent != "" {
			w.WriteString("\n" + strings.Repeat(s.indent, depth))
		}
	}
	switch {
	case v.IsError():
		return v
	case !isDefined(v):
		return errors.New("tojson: the value is undefined")
	case depth > 1000:
		return errors.New("tojson: the value is nested too deep")
	case v.IsNil():
		w.WriteString("null")
	case v.IsBool():
		w.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		w.WriteString(pythonFloat(v.Float()))
	case v.IsString():
		s.writeString(w, v.String())
	case v.IsList():
		w.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				w.WriteString(s.itemSep)
			}
			newline(depth + 1)
			if err := s.writeJSON(w, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		if v.Len() > 0 {
			newline(depth)
		}
		w.WriteByte(']')
	case v.IsDict():
		all := pairs(v)
		if s.sortKeys {
			all = sortedByKey(all)
		}
		w.WriteByte('{')
		for i, p := range all {
			if i > 0 {
				w.WriteString(s.itemSep)
			}
			newline(depth + 1)
			s.writeString(w, p.Key.String())
			w.WriteString(s.keySep)
			if err := s.writeJSON(w, p.Value, depth+1); err != nil {
				return err
			}
		}
		if len(all) > 0 {
			newline(depth)
		}
		w.WriteByte('}')
	default:
		return fmt.Errorf("tojson: a value of type %T has no JSON", v.Interface())
	}
	return nil
}

func (s *jsonStyle) writeString(w *strings.Builder, text string) {
	w.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case r == '\b':
			w.WriteString(`\b`)
		case r == '\f':
			w.WriteString(`\f`)
		case r < 0x20 || s.onlyASCII && r >= 0x7F && r < 0x10000:
			fmt.Fprintf(w, `\u%04x`, r)
		case s.onlyASCII && r >= 0x10000:
			fmt.Fprintf(w, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			w.WriteRune(r)
		}
	}
	w.WriteByte('"')
}

// pythonFloat returns the shortest decimal of f, as Python writes it.
func pythonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
