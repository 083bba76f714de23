package browser

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// watched counts the listeners of the experts.
func watched(n *atomic.Int32) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/experts/events" {
				n.Add(1)
				defer n.Add(-1)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// pixels is the sum of the grid's colours.
const pixels = `[...document.querySelector("#grid").getContext("2d").getImageData(0, 0, 4000, 400).data].reduce((a, b) => a + b, 0)`

// The grid lights up while the real model answers, and goes dark again; figures stand beside it. With the panel closed nobody listens.
func TestExperts(t *testing.T) {
	var listeners atomic.Int32
	p := open(t, options{wrap: watched(&listeners), size: desktop, moves: true})
	p.expect("willReadFrequently") // which is for pages that read pixels, as only this test does
	p.until(`document.querySelector("#experts-note").innerText.includes("is not loaded")`)
	dark := eval[float64](p, pixels)
	p.brief()
	p.say("Who goes there?")
	p.until(`document.querySelector("#grid").dataset.lit > 20`)
	if lit := eval[float64](p, pixels); lit == dark {
		t.Error("no pixel of the grid has changed")
	}
	p.answered()
	p.until(`document.querySelector("#grid").dataset.tokens > 12 && document.querySelectorAll("#x-busiest li").length === 5`)
	if note := p.text("#experts-note"); !strings.Contains(note, "4 of 16 experts in each of 6 layers") {
		t.Errorf("the note is %q", note)
	}
	p.until(`parseFloat(document.querySelector("#x-hits").innerText) >= 0 && document.querySelector("#x-memory").innerText.includes("KV cache")`)
	p.until(`document.querySelector("#grid").dataset.lit === "0"`)
	p.until(pixels + ` === ` + string(mustJSON(t, dark)))
	if n := listeners.Load(); n != 1 {
		t.Errorf("%d listen", n)
	}
	p.click("#experts .panel-close")
	for listeners.Load() != 0 {
		p.until("true")
	}
	p.click("#experts-toggle")
	p.until(`document.querySelector("#experts-note").innerText.includes("4 of 16")`)
}

// within returns arguments of st serve that give it memory for some of the small model's experts: so many bytes more than it needs.
func within(t *testing.T, more int) []string {
	t.Helper()
	address, says := serve(t, modelPath, "--parallel", "1", "--ctx", "512")
	least := regexp.MustCompile(`as little as (\d+) MiB`).FindStringSubmatch(says)
	r, err := http.Get(address.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	metrics, err := io.ReadAll(r.Body)
	program := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\d+)`).FindSubmatch(metrics)
	if err != nil || least == nil || program == nil {
		t.Fatalf("%v; %s; %s", err, says, metrics)
	}
	need, err := strconv.Atoi(least[1])
	if err != nil {
		t.Fatal(err)
	}
	resident, err := strconv.Atoi(string(program[1]))
	if err != nil {
		t.Fatal(err)
	}
	return []string{modelPath, "--parallel", "1", "--ctx", "512", "--memory", strconv.Itoa(need<<20 + resident + more)}
}

// Within a budget the grid shows which experts are in memory.
func TestExpertsBudget(t *testing.T) {
	p := open(t, options{args: within(t, 4<<20), size: desktop})
	p.brief()
	p.say("Who goes there?")
	p.answered()
	p.until(`/^\d+ of 96$/.test(document.querySelector("#x-resident").innerText)`)
	p.until(`document.querySelector("#x-memory").innerText.includes("bound")`)
	p.until(`!document.querySelector("#x-grid").classList.contains("mapped")`)
}

// A model without experts says that it has none.
func TestExpertsDense(t *testing.T) {
	p := open(t, options{args: []string{densePath, modelPath}, size: desktop})
	p.until(`document.querySelector("#experts-note").innerText === "dense has no experts: every token uses all of its weights."`)
	if seen := eval[bool](p, `document.querySelector("#x-grid").checkVisibility()`); seen {
		t.Error("there is a grid")
	}
	// Another model has its own.
	p.fill("#model", "tiny")
	p.until(`document.querySelector("#experts-note").innerText.startsWith("tiny") && document.querySelector("#x-grid").checkVisibility()`)
}
