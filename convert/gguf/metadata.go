package gguf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Metadata is what a file says of its model, in the order of the file.
type Metadata []Entry

// Entry is a metadata entry. Value is a uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64, bool, or string; a slice of one
// of these; or, for an array of arrays, an []any of slices.
type Entry struct {
	Key   string
	Value any
}

// Lookup returns the value of a key.
func (m Metadata) Lookup(key string) (any, bool) {
	for i := range m {
		if m[i].Key == key {
			return m[i].Value, true
		}
	}
	return nil, false
}

// Type names the type of the value, such as "uint32" or "array of string".
func (e Entry) Type() string {
	if _, ok := e.Value.([]any); ok {
		return "array of array"
	}
	if name, ok := strings.CutPrefix(fmt.Sprintf("%T", e.Value), "[]"); ok {
		return "array of " + name
	}
	return fmt.Sprintf("%T", e.Value)
}

// shownText is how many bytes of a string [Entry.Text] returns.
const shownText = 1 << 12

// Text returns the value for people to read: a long string is cut, and of an array there is only how long it is.
func (e Entry) Text() string {
	switch v := e.Value.(type) {
	case string:
		if len(v) > shownText {
			return strings.ToValidUTF8(v[:shownText], "") + "…"
		}
		return v
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	if n, ok := arrayLen(e.Value); ok {
		return fmt.Sprintf("%d elements", n)
	}
	return fmt.Sprint(e.Value)
}

// arrayLen returns how many elements a value has that is an array.
func arrayLen(value any) (int, bool) {
	switch v := value.(type) {
	case []uint8:
		return len(v), true
	case []int8:
		return len(v), true
	case []uint16:
		return len(v), true
	case []int16:
		return len(v), true
	case []uint32:
		return len(v), true
	case []int32:
		return len(v), true
	case []uint64:
		return len(v), true
	case []int64:
		return len(v), true
	case []float32:
		return len(v), true
	case []float64:
		return len(v), true
	case []bool:
		return len(v), true
	case []string:
		return len(v), true
	case []any:
		return len(v), true
	}
	return 0, false
}

// asInt returns an integer value of any width, or a whole number that is stored as another: published files of Gemma 3n have
// attention.shared_kv_layers as a float32.
func asInt(value any) (int64, bool) {
	switch v := value.(type) {
	case uint8:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), int64(v) >= 0
	case int64:
		return v, true
	case float32:
		return asInt(float64(v))
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

// asInts returns an array of integers of any width.
func asInts(value any) ([]int64, bool) {
	switch v := value.(type) {
	case []uint8:
		return toInts(v), true
	case []int8:
		return toInts(v), true
	case []uint16:
		return toInts(v), true
	case []int16:
		return toInts(v), true
	case []uint32:
		return toInts(v), true
	case []int32:
		return toInts(v), true
	case []int64:
		return v, true
	case []uint64:
		ints := toInts(v)
		for _, n := range ints {
			if n < 0 {
				return nil, false
			}
		}
		return ints, true
	}
	return nil, false
}

func toInts[T uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64](from []T) []int64 {
	ints := make([]int64, len(from))
	for i, n := range from {
		ints[i] = int64(n)
	}
	return ints
}

// keys reads metadata and keeps the first error, which names the key.
type keys struct {
	metadata Metadata
	err      error
	notes    []string // what was taken for granted
}

// note adds a note, once: an entry may be read for several ends.
func (k *keys) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(k.notes, text) {
		k.notes = append(k.notes, text)
	}
}

func (k *keys) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf(format, args...)
	}
}

// find returns the value of a key, and complains if it is there and not accepted. what says what it should be.
func find[T any](k *keys, key, what string, accept func(any) (T, bool)) (v T, ok bool) {
	value, ok := k.metadata.Lookup(key)
	if !ok {
		return v, false
	}
	if v, ok = accept(value); !ok {
		k.fail("metadata entry %s is %s: it must be %s", key, describe(Entry{key, value}), what)
	}
	return v, ok
}

func describe(e Entry) string {
	text := e.Text()
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	if _, ok := e.Value.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%s (%s)", text, e.Type())
}

// maxSize is above every size that a model has in one direction.
const maxSize = 1 << 31

// size reads a number of things, 1 to 2³¹. An array that has the same number for each layer counts as that number.
func (k *keys) size(key string) (int, bool) {
	return find(k, key, "a whole number from 1 to 2147483648, the same for all layers", func(value any) (int, bool) {
		n, ok := asInt(value)
		if ints, isArray := asInts(value); isArray && len(ints) > 0 {
			n, ok = ints[0], true
			for _, other := range ints {
				ok = ok && other == n
			}
		}
		return int(n), ok && n >= 1 && n <= maxSize
	})
}

func (k *keys) float(key string) (float64, bool) {
	return find(k, key, "a number", func(value any) (float64, bool) {
		switch v := value.(type) {
		case float32:
			// The shortest decimal that is this float32: 1e-06, not 9.999999974752427e-07, as config.json has it.
			f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
			return f, err == nil && f-f == 0
		case float64:
			return v, v-v == 0
		}
		n, ok := asInt(value)
		return float64(n), ok
	})
}

func (k *keys) bool(key string) (bool, bool) {
	return find(k, key, "true or false", func(value any) (bool, bool) {
		b, ok := value.(bool)
		return b, ok
	})
}

func (k *keys) string(key string) (string, bool) {
	return find(k, key, "a text", func(value any) (string, bool) {
		s, ok := value.(string)
		return s, ok
	})
}

func (k *keys) strings(key string) ([]string, bool) {
	return find(k, key, "an array of texts", func(value any) ([]string, bool) {
		s, ok := value.([]string)
		return s, ok
	})
}

func (k *keys) ints(key string) ([]int64, bool) {
	return find(k, key, "an array of whole numbers", asInts)
}
