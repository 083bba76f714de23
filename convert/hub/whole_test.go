package hub_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"st/convert/hub"
	"st/convert/hub/hubtest"
)

// TestWholeFiles: a server that sends no parts of files is read in one connection, from wherever a file is to go on, also when that breaks. It is told once.
func TestWholeFiles(t *testing.T) {
	for _, scheme := range []string{"hf://", "ms://"} {
		h := start(t)
		h.Add("Tiiny/Test").Commit(model())
		cuts := 3
		h.SetFaults(func(q hubtest.Request) hubtest.Fault {
			f := hubtest.Fault{Whole: true}
			if q.Storage && q.Header.Get("Range") == "" && cuts > 0 {
				cuts--
				f.Cut = 7 << 20
			}
			return f
		})
		c := quick(h)
		var notes []string
		c.Note = func(text string) {
			if strings.Contains(text, "come whole") {
				notes = append(notes, text)
			}
		}
		r := open(t, hub.New(c), scheme+"Tiiny/Test")
		f, _ := r.Lookup("model.safetensors")
		for _, from := range []int64{0, 5 << 20} {
			s := r.Stream(t.Context(), []hub.Span{{File: f, From: from, To: f.Size}}, 32<<20)
			var got []byte
			for {
				p, ok, err := s.Next()
				if err != nil {
					t.Fatalf("%s from %d: %v", scheme, from, err)
				}
				if !ok {
					break
				}
				got = append(got, p.Data...)
				s.Release(p)
			}
			s.Close()
			if !bytes.Equal(got, weights[from:]) {
				t.Errorf("%s from %d: %d bytes, which differ", scheme, from, len(got))
			}
		}
		if len(notes) != 1 || !strings.Contains(notes[0], "Tiiny/Test/model.safetensors") {
			t.Errorf("%s: notes %q", scheme, notes)
		}
		// The pieces of a stream come in their order: each connection that was begun without a range brings all that is missing, or breaks.
		if sent, _ := h.Sent(); sent["model.safetensors"] > 12*int64(len(weights)) {
			t.Errorf("%s: %d bytes were sent for %d", scheme, sent["model.safetensors"], 2*len(weights))
		}
	}
}

// TestOtherSize: what comes in place of a file, such as a page that asks to log in, is another file, and not a whole one in place of a part.
func TestOtherSize(t *testing.T) {
	h := start(t)
	h.Add("Tiiny/Test").Commit(model())
	h.SetFaults(func(hubtest.Request) hubtest.Fault { return hubtest.Fault{Whole: true} })
	r := open(t, hub.New(quick(h)), "Tiiny/Test")
	f, _ := r.Lookup("config.json")
	f.Size += 1000 // as the listing has it
	err := r.Fetch(t.Context(), f, 0, make([]byte, f.Size))
	if !errors.Is(err, hub.ErrChanged) || !strings.HasSuffix(err.Error(), "21 bytes come in place of its 1021") {
		t.Error(err)
	}
}
