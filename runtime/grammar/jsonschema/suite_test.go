package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// suiteCase is a schema of the public test suite, and instances.
type suiteCase struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// TestSuite writes instances of each schema of the public test suite, and validates them. Valid instances of the suite are held against the
// grammar, as it writes them; invalid ones are never written.
func TestSuite(t *testing.T) {
	files, err := filepath.Glob("testdata/suite/*.json")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	var schemas, refused, empty, accepted, valid int
	reasons := map[string]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []suiteCase
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			schemas++
			schema := string(c.Schema)
			compiled, err := compile(schema)
			var e *jsonschema.Error
			switch {
			case errors.As(err, &e):
				refused++
				reasons[e.Reason]++
				continue
			case errors.Is(err, grammar.ErrEmpty):
				empty++
				for _, test := range c.Tests {
					if test.Valid && !strings.Contains(file, "ref.json") {
						t.Errorf("%s, %s: nothing is written, although %s is valid", file, c.Description, test.Data)
					}
				}
				continue
			case err != nil:
				t.Errorf("%s, %s: %v", file, c.Description, err)
				continue
			}
			v, err := newValidator(schema)
			if err != nil { // it refers to other documents by its $id
				t.Logf("%s, %s: the validator: %v", file, c.Description, err)
				continue
			}
			rng := rand.New(rand.NewPCG(1, uint64(schemas)))
			for range 25 {
				text, err := sample(rng, compiled, 30)
				if err != nil {
					t.Fatalf("%s, %s: %v", file, c.Description, err)
				}
				if err := validateWith(v, text); err != nil {
					t.Errorf("%s, %s: %s is written, but does not validate: %v", file, c.Description, text, err)
					break
				}
			}
			for _, test := range c.Tests {
				ok := in(compiled, written(t, test.Data))
				switch {
				case ok && !test.Valid && validateWith(v, string(test.Data)) != nil:
					t.Errorf("%s, %s, %s: %s is invalid, but written", file, c.Description, test.Description, test.Data)
				case ok:
					accepted++
				}
				if test.Valid {
					valid++
				}
			}
		}
	}
	t.Logf("%d schemas: %d refused, %d empty; of %d valid instances %d are written", schemas, refused, empty, valid, accepted)
	for r, n := range reasons {
		t.Logf("refused %d: %s", n, r)
	}
	if refused > schemas/4 || accepted < valid/3 {
		t.Errorf("too many schemas are refused, or too few instances written")
	}
}

// written returns a value with a space after each colon and comma, as grammars write it.
func written(t *testing.T, data json.RawMessage) string {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	inString := false
	for i, b := 0, compact.Bytes(); i < len(b); i++ {
		out.WriteByte(b[i])
		switch {
		case b[i] == '\\':
			i++
			out.WriteByte(b[i])
		case b[i] == '"':
			inString = !inString
		case !inString && (b[i] == ':' || b[i] == ','):
			out.WriteByte(' ')
		}
	}
	return out.String()
}
