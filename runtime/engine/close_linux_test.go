package engine_test

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// Close leaves no file open of a dense model all of which is in memory: nothing but rows of embeddings is read of it.
func TestCloseFiles(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what is forgotten
	path := write(t, phi3(func(*modeltest.Shape) {}), quant.Q8_0)
	r := reader(t, path)
	files := func() (n int) {
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && target == path {
				n++
			}
		}
		return n
	}
	before := files()
	e := stream(t, r, engine.Options{Threads: 2}, 64<<20)
	forward(t, session(t, e), 1, 2, 3)
	if files() == before {
		t.Error("the file is not read")
	}
	e.Close()
	if after := files(); after > before {
		t.Errorf("the file is open %d times, %d before", after, before)
	}
}
