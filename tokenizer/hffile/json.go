package hffile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"

	"st/format/plaintext"
)

// ErrNotJSON is about a file that is to be JSON and is not.
var ErrNotJSON = errors.New("it is not valid JSON")

// StrictJSON returns as JSON by the standard (RFC 8259) what Python's json module reads: checkpoints are written with it. Python knows
// NaN, Infinity and -Infinity, which become strings here, so that fields that nobody reads do no harm; of two equal keys it takes the
// last. Whole numbers that are written as floats, 32.0 or 1e6, become 32 and 1000000. The text is in an encoding that [plaintext.Decode] knows.
func StrictJSON(text []byte) ([]byte, error) {
	text, err := plaintext.Decode(text)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(QuoteNumbers(text)))
	dec.UseNumber()
	var v any // objects become maps, in which the last of equal keys remains
	if err = dec.Decode(&v); err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return json.Marshal(wholeNumbers(v))
		}
		err = errors.New("more text follows the JSON value")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return nil, fmt.Errorf("%w (%v); it begins with %s", ErrNotJSON, err, beginning(text))
}

// wholeNumbers writes whole numbers in a value as such.
func wholeNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = wholeNumbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 && strings.ContainsAny(string(v), ".eE") {
			return int64(f)
		}
	}
	return v
}

// beginning shows how a text begins.
func beginning(text []byte) string {
	const most = 40
	s := []rune(string(bytes.TrimSpace(text[:min(4*most, len(text))])))
	if len(s) > most {
		return fmt.Sprintf("%q…", string(s[:most]))
	}
	return fmt.Sprintf("%q", string(s))
}

// pythonNumbers are the numbers that Python's json module writes and reads, and the standard does not know.
var pythonNumbers = []string{"-Infinity", "Infinity", "NaN"}

// QuoteNumbers puts NaN, Infinity and -Infinity in quotes where they are no part of a string. A text without them is returned as it is.
func QuoteNumbers(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	var out []byte
	done := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '-', 'I', 'N':
			n := slices.IndexFunc(pythonNumbers, func(name string) bool { return bytes.HasPrefix(text[i:], []byte(name)) })
			if n < 0 {
				i++
				continue
			}
			out = append(append(out, text[done:i]...), `"`+pythonNumbers[n]+`"`...)
			i += len(pythonNumbers[n])
			done = i
		default:
			i++
		}
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(text))
}

// Unmarshal is json.Unmarshal of what Python's json module writes, as [plaintext.Decode] decodes it, with errors that name the field, in words that are not
// Go's.
func Unmarshal(text []byte, into any) error {
	text, err := plaintext.Decode(text)
	if err != nil {
		return err
	}
	text = QuoteNumbers(text)
	err = json.Unmarshal(text, into)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w: %v", ErrNotJSON, err)
	}
	var te *json.UnmarshalTypeError
	if !errors.As(err, &te) {
		return err
	}
	field := fieldPath(reflect.TypeOf(into), te.Field)
	expected := map[reflect.Kind]string{
		reflect.Int: "a whole number", reflect.Int32: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false",
		reflect.Slice: "an array", reflect.Struct: "an object", reflect.Map: "an object", reflect.String: "a text",
	}[te.Type.Kind()]
	if field == "" {
		return fmt.Errorf("it is a JSON %s: %s was expected", te.Value, expected)
	}
	if te.Value == "string" && te.Offset <= int64(len(text)) {
		for _, name := range pythonNumbers {
			if strings.HasSuffix(string(text[:te.Offset]), `"`+name+`"`) {
				return fmt.Errorf("field %s is %s: %s was expected", field, name, expected)
			}
		}
	}
	if n, ok := strings.CutPrefix(te.Value, "number "); ok && (te.Type.Kind() == reflect.Float64 || strings.Trim(n, "-0123456789") == "") {
		return fmt.Errorf("field %s is %s, which is too large a number", field, n)
	}
	return fmt.Errorf("field %s is a JSON %s: %s was expected", field, te.Value, expected)
}

// fieldPath returns a field as the file has it. Package encoding/json names the structs of Go, too, in which fields are embedded.
func fieldPath(t reflect.Type, field string) string {
	var path []string
	for name := range strings.SplitSeq(field, ".") {
		for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, t.Kind()) {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct {
			f, ok := t.FieldByName(name)
			if ok && f.Anonymous && f.Tag == "" {
				t = f.Type
				continue
			}
			for _, f := range reflect.VisibleFields(t) {
				if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
					t = f.Type
					break
				}
			}
		}
		path = append(path, name)
	}
	return strings.Join(path, ".")
}

// Numbers is an array of numbers. It refuses null in it, of which package encoding/json makes 0: a layer, or a token, that nobody meant.
type Numbers[T int | int32 | float64] []T

// UnmarshalJSON reads an array, or null for none.
func (n *Numbers[T]) UnmarshalJSON(text []byte) error {
	var all []*T
	if err := json.Unmarshal(text, &all); err != nil || all == nil {
		return err
	}
	*n = make([]T, len(all))
	for i, v := range all {
		if v == nil {
			return &json.UnmarshalTypeError{Value: "null in an array", Type: reflect.TypeFor[T]()}
		}
		(*n)[i] = *v
	}
	return nil
}
