package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// decode sets the fields of the struct that dst points to, by their json tags, from a JSON object. Fields that the struct does not have are ignored, and null
// leaves a field as it is. A struct's field with the tag "*" gets all that the object has. The error is an [*Error] with the name of the field, after path.
func decode(data []byte, dst any, path string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return notObject(err, path)
	}
	return decodeFields(fields, reflect.ValueOf(dst).Elem(), path)
}

// notObject is the error of what should be a JSON object.
func notObject(err error, path string) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &Error{Status: http.StatusBadRequest, Code: "invalid_json", Param: path, Message: fmt.Sprintf("the body is not JSON: byte %d: %v", syntax.Offset, err)}
	}
	if path == "" {
		return &Error{Status: http.StatusBadRequest, Code: "invalid_type", Message: "the body must be a JSON object"}
	}
	return badField(path, "it must be an object")
}

func decodeFields(fields map[string]json.RawMessage, v reflect.Value, path string) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if err := decodeFields(fields, v.Field(i), path); err != nil {
				return err
			}
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "*" {
			v.Field(i).Set(reflect.ValueOf(fields))
			continue
		}
		data, ok := fields[name]
		if !ok || name == "" || string(data) == "null" {
			continue
		}
		if err := setField(data, v.Field(i).Addr().Interface()); err != nil {
			return fieldError(err, join(path, name))
		}
	}
	return nil
}

// setField sets the field that dst points to. Clients whose numbers are all floats write a whole one as 40.0: where 40.0 will not do, it is 40.
func setField(data []byte, dst any) error {
	err := json.Unmarshal(data, dst)
	var f float64
	if err != nil && json.Unmarshal(data, &f) == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 &&
		json.Unmarshal(strconv.AppendInt(nil, int64(f), 10), dst) == nil {
		return nil
	}
	return err
}

// fieldError is err as an error of a field.
func fieldError(err error, param string) error {
	var e *Error
	if errors.As(err, &e) {
		return badField(param, e.Message)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field != "" {
			param = join(param, wrong.Field)
		}
		if kind, _, ok := strings.Cut(wrong.Value, " "); ok && kind == "number" { // "number 1.5"
			return badField(param, fmt.Sprintf("it must be %s, not %s", kindName(wrong.Type), strings.TrimPrefix(wrong.Value, "number ")))
		}
		return badField(param, fmt.Sprintf("it must be %s, not a JSON %s", kindName(wrong.Type), wrong.Value))
	}
	return badField(param, err.Error())
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// kindName is what a client calls a type of Go.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// wants is the error of an UnmarshalJSON method: what a value must be. decode adds the field.
func wants(what string) error {
	return &Error{Status: http.StatusBadRequest, Message: "it must be " + what}
}

// texts is a string or a list of strings.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	var list []string
	if json.Unmarshal(data, &list) != nil {
		return wants("a string or an array of strings")
	}
	*t = list
	return nil
}

// content is the text of a message: a string, or a list of parts of which each has text.
type content string

func (c *content) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*c = content(one)
		return nil
	}
	var parts []struct {
		Type    string  `json:"type"`
		Text    *string `json:"text"`
		Refusal *string `json:"refusal"` // of an assistant's part of that type
	}
	if json.Unmarshal(data, &parts) != nil {
		return wants("a string or an array of parts")
	}
	var text strings.Builder
	for _, p := range parts {
		if p.Type == "refusal" {
			p.Type, p.Text = "text", p.Refusal
		}
		switch {
		case p.Type != "text" && p.Type != "input_text" && p.Type != "output_text":
			return wants(fmt.Sprintf("text: the models read no part of type %q", p.Type))
		case p.Text == nil:
			return wants("parts with a text")
		}
		text.WriteString(*p.Text)
	}
	*c = content(text.String())
	return nil
}
