package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"st/runtime"
)

// A bound within which no model runs is an error that tells the least that works, whether models were named or are those of a store.
func TestMemoryForNoModel(t *testing.T) {
	s := newStore(t)
	empty, err := New(Options{Store: s, Memory: 1 << 20})
	if err != nil {
		t.Fatalf("a store without models, which may come later: %v", err)
	}
	empty.Close()
	keep(t, s, "kept")
	for _, tt := range []struct {
		name string
		opts Options
		want string
	}{
		{"one", Options{Models: []string{otherPath}}, otherPath + ": the memory budget is too small: 1MiB; this model needs "},
		{"two", Options{Models: []string{otherPath, modelPath}}, "the memory budget is too small for any of the models: 1MiB; tiny needs the least, "},
		{"of a store", Options{Store: s}, ": the memory budget is too small: 1MiB; this model needs "},
	} {
		tt.opts.Memory = 1 << 20
		if _, err := New(tt.opts); !errors.Is(err, runtime.ErrMemory) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A model for which the bound is too small is told of in the log. Its requests fail, and no other model leaves for them.
func TestMemoryForSomeModels(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Models: []string{modelPath, otherPath}, Memory: 1 << 40, KeepAlive: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	m, a, b := c.models, c.models.served[0], c.models.served[1]
	if log.Len() > 0 {
		t.Errorf("with room for both the log says %s", &log)
	}
	m.setTotal((a.Least + m.common() + b.Smallest) / 2)
	m.warn(m.served)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "too small") || !strings.Contains(got, "model=other") {
		t.Errorf("the log says %q", got)
	}
	const prompt = `", "prompt": "Once", "max_tokens": 2}`
	get[completion](t, c, "/v1/completions", `{"model": "tiny`+prompt)
	if status, e := getError(t, c, "/v1/completions", `{"model": "other`+prompt); status != http.StatusServiceUnavailable || !strings.Contains(e.Error.Message, "this model needs") {
		t.Errorf("%d, %+v", status, e)
	}
	if !c.Models()[0].Loaded {
		t.Error("the model that fits was unloaded for one that does not")
	}
}
