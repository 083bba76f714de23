package convert_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
)

// edited returns a config.json of a model, with fields set, or removed if they are nil.
func edited(t *testing.T, m *modeltest.Model, fields map[string]any) []byte {
	t.Helper()
	c := maps.Clone(m.Config)
	for name, v := range fields {
		if v == nil {
			delete(c, name)
		} else {
			c[name] = v
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkConfig checks what fields of a model's config.json change in the config that is read.
func checkConfig(t *testing.T, m *modeltest.Model, fields map[string]any, change func(*format.Config)) {
	t.Helper()
	got, err := convert.ParseConfig(edited(t, m, fields))
	if err != nil {
		t.Fatal(err)
	}
	want, err := convert.ParseConfig(edited(t, m, nil))
	if err != nil {
		t.Fatal(err)
	}
	change(&want)
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Errorf("the config differs (-want +got):\n%s", d)
	}
}

// checkRefused checks that a config.json with such fields is refused with an error that says so.
func checkRefused(t *testing.T, m *modeltest.Model, fields map[string]any, want string) {
	t.Helper()
	if _, err := convert.ParseConfig(edited(t, m, fields)); !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%v: error is %v, want %q", fields, err, want)
	}
}
