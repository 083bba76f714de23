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

// watches waits until the panel listens to the events of the small model, which is not loaded: what comes before is not shown.
func (p *page) watches() {
	p.t.Helper()
	p.until(`document.querySelector("#experts-note").innerText.includes("is not loaded")`)
}

// countLit has the page note in mostLit how many cells are lit in a picture of the grid, at most. Who looks from time to time may not see it: after two
// seconds the grid, which is dark now, is dark again.
const countLit = `(() => {
	const context = CanvasRenderingContext2D.prototype, { clearRect, fill } = context;
	const color = [...document.querySelector("#grid").getContext("2d").getImageData(32, 10, 1, 1).data].slice(0, 3); // in the first cell
	const dark = "#" + color.map((c) => c.toString(16).padStart(2, "0")).join("");
	let lit = 0;
	window.mostLit = 0;
	context.clearRect = function (...args) { lit = 0; return clearRect.apply(this, args); };
	context.fill = function (...args) { if (this.fillStyle !== dark) mostLit = Math.max(mostLit, ++lit); return fill.apply(this, args); };
	return true;
})()`

// The grid lights up while the real model answers, and goes dark again; figures stand beside it. With the panel closed nobody listens.
func TestExperts(t *testing.T) {
	var listeners atomic.Int32
	p := open(t, options{wrap: watched(&listeners), size: desktop, moves: true})
	p.expect("willReadFrequently") // which is for pages that read pixels, as only this test does
	p.brief()
	p.watches()
	dark := eval[float64](p, pixels)
	eval[bool](p, countLit)
	p.say("Who goes there?")
	p.answered()
	p.until(`mostLit > 20`)
	p.until(`document.querySelector("#grid").dataset.tokens > 12 && document.querySelectorAll("#x-busiest li").length === 5`)
	if note := p.text("#experts-note"); !strings.Contains(note, "4 of 16 experts in each of 6 layers") {
		t.Errorf("the note is %q", note)
	}
	p.until(`parseFloat(document.querySelector("#x-hits").innerText) >= 0 && document.querySelector("#x-memory").innerText.includes("KV cache")`)
	p.until(`document.querySelector("#grid").dataset.lit === "0"`)
	p.until(pixels + ` === ` + string(mustJSON(t, dark)))
	for listeners.Load() != 1 { // that of the page that was there before brief goes, too
		p.until("true")
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
	p.watches()
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
