package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/cmd/internal/report"
	"st/format"
)

// schema lists the fields of what encoding/json makes of a type, one a line, with the type in JSON.
func schema(t reflect.Type, path string, lines *[]string) {
	kind := ""
	switch t.Kind() {
	case reflect.Pointer:
		schema(t.Elem(), path, lines)
		return
	case reflect.Slice, reflect.Array:
		schema(t.Elem(), path+"[]", lines)
		return
	case reflect.Map:
		schema(t.Elem(), path+".*", lines)
		return
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Type == reflect.TypeFor[*format.MoE]() { // whose fields stand among those of the config
				schema(f.Type, path, lines)
			}
			if name == "-" {
				continue
			}
			if option != "" {
				name += "?" // may be absent
			}
			schema(f.Type, strings.TrimPrefix(path+"."+name, "."), lines)
		}
		return
	case reflect.Bool:
		kind = "boolean"
	case reflect.String:
		kind = "string"
	case reflect.Float32, reflect.Float64:
		kind = "number"
	default:
		kind = "integer"
	}
	*lines = append(*lines, path+" "+kind)
}

// Scripts read these: names stay, and so do types. New ones are added to the file by go test ./cmd/st -update.
func TestInspectSchema(t *testing.T) {
	var lines []string
	schema(reflect.TypeFor[report.File](), "", &lines)
	got := strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", "inspect_schema.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the fields of --json (-want +got):\n%s", diff)
	}
	// And the program prints no others.
	all := mustJSON[report.File](t, "inspect", tiny(t), "--json", "--tensors", "--layers", "--experts", "--verify")
	if n := fmt.Sprint(len(all.Layers[0].Statistics.Matrices), len(all.Experts[0].Types)); n != "7 3" {
		t.Errorf("matrices of a layer and of an expert: %s", n)
	}
}
