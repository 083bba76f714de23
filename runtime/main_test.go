package runtime_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
)

// modelPath is the trained model of testdata in Q4_0.
var modelPath string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "st-runtime-")
	if err == nil {
		modelPath = filepath.Join(dir, "tiny.stm")
		_, err = convert.Run(context.Background(), "../testdata/tiny-smallthinker", modelPath,
			convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Encoder: convert.Search})
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// open opens the trained model, until the test ends.
func open(t *testing.T, opts runtime.Options) *runtime.Model {
	t.Helper()
	m, err := runtime.Open(t.Context(), modelPath, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// collect returns the whole of what is generated; it must end with Done or with an error.
func collect(pieces func(func(runtime.Piece, error) bool)) (text string, result *runtime.Result, err error) {
	for p, e := range pieces {
		if result != nil || err != nil {
			return text, result, fmt.Errorf("there is a piece %+v, %v after the last one", p, e)
		}
		text += p.Text
		result, err = p.Done, e
	}
	if err == nil && (result == nil || text != result.Text) {
		err = fmt.Errorf("pieces are %q, the result %+v", text, result)
	}
	return text, result, err
}

// generate generates a text that must come to its end.
func generate(t *testing.T, m *runtime.Model, prompt string, g runtime.Generate) *runtime.Result {
	t.Helper()
	_, r, err := collect(m.Generate(t.Context(), prompt, g))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// say sends a message to a chat and returns the answer.
func say(t *testing.T, c *runtime.Chat, text string, g runtime.Generate) *runtime.Result {
	t.Helper()
	_, r, err := collect(c.Send(t.Context(), text, g))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
