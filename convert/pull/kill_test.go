package pull_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"st/convert"
	"st/convert/hub"
	"st/convert/hub/hubtest"
	"st/convert/pull"
	"st/quant"
)

// asPuller makes the test binary a program that pulls: its value is the address of a Hub, and that of the file.
const asPuller = "ST_TEST_AS_PULLER"

const (
	killPiece  = 8 << 10
	killWindow = 64 << 10
)

func TestMain(m *testing.M) {
	url, out, ok := strings.Cut(os.Getenv(asPuller), " ")
	if !ok {
		os.Exit(m.Run())
	}
	_, err := pull.Model(context.Background(), ref, out, pull.Options{
		Convert: convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search, Threads: 2, Tool: "test"},
		Client:  hub.New(hub.Config{HuggingFace: url, Piece: killPiece}), Window: killWindow,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilled: a process that is killed at any moment leaves nothing under the file's name, and the next one makes the same file, for which no more comes
// again than the window.
func TestKilled(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	var all int64
	for _, c := range files(t, dir) {
		all += c.Size()
	}
	rng := rand.New(rand.NewPCG(1, 9))
	killed := 0
	rounds := 25
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		h, _ := start(t, dir)
		out := filepath.Join(t.TempDir(), "m.stm")
		runs := 0
		for ; ; runs++ {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asPuller+"="+h.URL+" "+out)
			var said bytes.Buffer
			cmd.Stderr = &said
			ok(t, cmd.Start())
			var once sync.Once
			left := 1 + rng.IntN(150)
			var mu sync.Mutex
			first := runs == 0
			h.SetFaults(func(hubtest.Request) hubtest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if left--; left <= 0 && first {
					once.Do(func() { cmd.Process.Kill() })
				}
				return hubtest.Fault{}
			})
			err := cmd.Wait()
			if _, e := os.Stat(out); (e == nil) != (err == nil) {
				t.Fatalf("the file is there: %t, and the process ended with %v: %s", e == nil, err, &said)
			}
			if err == nil {
				break
			}
			if runs > 0 {
				t.Fatalf("run %d: %v: %s", runs, err, &said)
			}
			killed++
		}
		only(t, out)
		got, err := os.ReadFile(out)
		ok(t, err)
		if !bytes.Equal(got, want) {
			t.Error("another file came of it")
		}
		// Besides what comes again, each run reads the headers of three files.
		byPath, _ := h.Sent()
		var weights int64
		for path, n := range byPath {
			if strings.HasSuffix(path, ".safetensors") {
				weights += n
			}
		}
		if most := all + int64(runs)*(killWindow+2*killPiece) + int64(runs+1)*3*4*killPiece; weights > most {
			t.Errorf("%d bytes of weights were sent, of %d, in %d runs", weights, all, runs+1)
		}
	}
	if killed < rounds/4 {
		t.Errorf("%d of %d processes were killed before they were done", killed, rounds)
	}
}
