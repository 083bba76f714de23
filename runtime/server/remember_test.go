package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"st/format"
	"st/runtime"
)

// Which experts were used is remembered when a model is unloaded, and when the server ends.
func TestServerRemembersExperts(t *testing.T) {
	r, err := format.Open(modelPath)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dir := t.TempDir()
	var log bytes.Buffer
	c := start(t, Options{Memory: 1 << 40, Parallel: 1, KeepAlive: -1, ExpertCache: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c.models.setTotal(c.models.common() + c.models.served[0].Smallest + 4<<20)
	for runs := range int64(3) {
		j, err := c.begin(t.Context(), "tiny", nil)
		if err != nil {
			t.Fatal(err)
		}
		m := j.served.model
		if known := m.KnownExperts(); m.Memory().Budget == 0 || runs == 0 && known != nil || runs > 0 && (known == nil || known.Runs != runs) {
			t.Errorf("after %d runs %+v is known, in %+v", runs, known, m.Memory())
		}
		for _, err := range j.generate(t.Context(), []int32{1, 2, 3}, runtime.Generate{MaxTokens: 4}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if runs == 2 {
			j.end()
			break
		}
		j.keepAlive = 0
		sv := j.served
		j.end()
		c.models.unloaded(sv)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "experts_known=remembered"); n != 2 {
		t.Errorf("the log says %d times that experts are known:\n%s", n, &log)
	}
	if uses, _ := runtime.RememberedExperts(r, dir); uses == nil || uses.Runs != 3 {
		t.Errorf("%+v is remembered", uses)
	}
}
