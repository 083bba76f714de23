package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	st        string          // the program
	modelPath string          // the trained model of testdata, in F32: its logits do not depend on what is cached
	densePath string          // a model of random weights, without experts
	chrome    context.Context // the browser, which all tests share
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Setenv("ST_REMEMBER_EXPERTS", "off") // the servers leave nothing in the user's cache
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	program := findChromium()
	if program == "" {
		return 0, fmt.Errorf("chromium is missing: install it (apt-get install chromium)")
	}
	dir, err := os.MkdirTemp("", "st-browser-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	st, modelPath, densePath = filepath.Join(dir, "st"), filepath.Join(dir, "tiny.stm"), filepath.Join(dir, "dense.stm")
	for _, command := range [][]string{
		{"go", "build", "-C", "../..", "-o", st, "./cmd/st"},
		{st, "convert", "../tiny-smallthinker", "--type", "f32", "-o", modelPath, "--quiet"},
		{st, "convert", "../architectures/phi3", "--type", "f32", "-o", densePath, "--quiet"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%v: %w\n%s", command, err, out)
		}
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.NoSandbox, // the tests run as root in containers, where there is no sandbox
		chromedp.WSURLReadTimeout(5*time.Minute)) // a browser that starts on a busy machine takes its time
	alloc, end := chromedp.NewExecAllocator(context.Background(), opts...)
	defer end()
	var closeBrowser context.CancelFunc
	chrome, closeBrowser = chromedp.NewContext(alloc)
	defer closeBrowser()
	if err := chromedp.Do(chrome, chromedp.Navigate("about:blank")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// A size is that of a window.
type size struct {
	width, height int64
	phone         bool
}

var (
	window  = size{1100, 760, false} // too narrow for a panel that opens by itself
	desktop = size{1440, 900, false}
	phone   = size{390, 844, true}
)

// page is the server's page, open in a tab of its own with storage of its own.
type page struct {
	t   *testing.T
	ctx context.Context // until the test has taken too long
	tab context.Context // until the tab is closed
	url string

	mu       sync.Mutex
	problems []string // what the browser's console reports
	expected []string // parts of problems that a test brings about
}

// options say what page a test opens.
type options struct {
	args []string // of st serve; nil: the small model
	size size
	dark bool
	// moves says that things may move on the page: without it the tests are faster.
	moves bool
	// wrap, if not nil, may answer requests itself: with what the small model does not say by itself.
	wrap func(next http.Handler) http.Handler
}

// open starts a server and opens its page, until the test ends. A problem in the browser's console fails the test.
func open(t *testing.T, o options) *page {
	t.Helper()
	if o.args == nil {
		o.args = []string{modelPath}
	}
	if o.size == (size{}) {
		o.size = window
	}
	address, _ := serve(t, o.args...)
	proxy := httputil.NewSingleHostReverseProxy(address)
	proxy.FlushInterval = -1 // at once
	proxy.ErrorLog = quiet   // of clients that go away
	var handler http.Handler = whole(proxy)
	if o.wrap != nil {
		handler = o.wrap(handler)
	}
	web := httptest.NewServer(handler)
	ctx, closeTab := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext())
	tab := ctx
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	p := &page{t: t, ctx: ctx, tab: tab, url: web.URL}
	t.Cleanup(func() {
		cancel()
		closeTab()
		web.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			if !p.isExpected(problem) {
				t.Errorf("the browser's console: %s", problem)
			}
		}
	})
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	scheme, motion := "light", "reduce"
	if o.dark {
		scheme = "dark"
	}
	if o.moves {
		motion = "no-preference"
	}
	viewport := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if o.size.phone {
		viewport = append(viewport, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	call(p, log.Enable, cdp.Empty{})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}})
	p.do(
		chromedp.EmulateViewport(o.size.width, o.size.height, viewport...),
		chromedp.Navigate(web.URL),
	)
	p.ready()
	return p
}

// whole reads the body of a request before next passes it on. A body that is still read when the answer begins is closed by net/http's server, and the
// proxy's transport takes that for an error and closes the connection to st serve, in the middle of the answer.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the browser went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

var quiet = stdlog.New(io.Discard, "", 0)

// serve starts st serve on a free port until the test ends, and returns its address and what it says of its models.
func serve(t *testing.T, args ...string) (*url.URL, string) {
	t.Helper()
	c := exec.Command(st, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it has ended if that fails
		_ = c.Wait()
		if t.Failed() {
			t.Logf("st serve: %s", log.Bytes())
		}
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if _, address, ok := strings.Cut(lines.Text(), "listening on "); ok {
			address, _, _ = strings.Cut(address, " ")
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			return u, said.String()
		}
	}
	t.Fatalf("st serve does not listen: %s%s", &said, &log)
	return nil, ""
}

func (p *page) isExpected(problem string) bool {
	for _, part := range p.expected {
		if strings.Contains(problem, part) {
			return true
		}
	}
	return false
}

func (p *page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// expect says that the console is going to report something with that in it.
func (p *page) expect(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, parts...)
}

// do does what a person would.
func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatalf("%v; the page: %s", err, p.whole())
	}
}

// call sends a command of the browser's protocol.
func call[P, R any](p *page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// ready waits until the page has begun.
func (p *page) ready() {
	p.t.Helper()
	p.until(`document.documentElement.dataset.ready === ""`)
}

// until waits until an expression is true.
func (p *page) until(js string) {
	p.t.Helper()
	for {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if ok {
			return
		}
		if err == nil {
			select { // the page tells of nothing by itself
			case <-p.ctx.Done():
				err = p.ctx.Err()
			case <-time.After(20 * time.Millisecond):
				continue
			}
		}
		p.t.Fatalf("waiting for %s: %v; the console: %q; the page: %s", js, err, p.problems, p.whole())
	}
}

// eval returns the value of an expression.
func eval[T any](p *page, js string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// text returns the text of an element as it is seen; "" if there is none.
func (p *page) text(selector string) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// whole returns the text of the page of a test that has failed, if the browser still tells.
func (p *page) whole() string {
	ctx, cancel := context.WithTimeout(p.tab, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return text
}

// click clicks the middle of an element, which must come into sight. What the page scrolls in its next frame has been scrolled before: the click would meet
// something else.
func (p *page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[bool](p, `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true))))`)
	p.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// say sends a message.
func (p *page) say(text string) {
	p.t.Helper()
	if strings.Contains(text, "\n") || len(text) > 50 { // the key of a line's end would send it, and keys take time
		p.fill("#input", text)
	} else {
		p.do(chromedp.SendKeys(chromedp.CSS("#input"), text))
	}
	p.click("#send")
}

// fill sets the text of a field, as if it was pasted.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event("input")); e.dispatchEvent(new Event("change")); return true; })()`, selector, text))
}

// answered waits until nothing runs and the last message has a text or an error.
func (p *page) answered() {
	p.t.Helper()
	p.until(`document.querySelector("#stop").hidden && (document.querySelector(".message:last-child.assistant .body")?.innerText.trim() || document.querySelector(".message:last-child .error:not([hidden])"))`)
}

// reload loads the page anew.
func (p *page) reload() {
	p.t.Helper()
	p.do(chromedp.Reload())
	p.ready()
}

// brief makes the answers of the real model short.
func (p *page) brief() {
	p.t.Helper()
	eval[bool](p, `localStorage.setItem("st.defaults", JSON.stringify({params: {max_tokens: 12}})), true`)
	p.reload()
}

// script answers requests for chat completions with events, each as it comes from parts, until it is closed.
func script(parts func(r *http.Request, send func(v any))) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/chat/completions" {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			parts(r, func(v any) {
				data, err := json.Marshal(v)
				if err != nil {
					panic(err)
				}
				fmt.Fprintf(w, "data: %s\n\n", data)
				w.(http.Flusher).Flush()
			})
		})
	}
}

// delta is an event with a part of an answer.
func delta(fields map[string]any, finish any) map[string]any {
	return map[string]any{"choices": []any{map[string]any{"index": 0, "delta": fields, "finish_reason": finish}}}
}

// says answers every request with a text.
func says(text string) func(http.Handler) http.Handler {
	return script(func(_ *http.Request, send func(any)) {
		for _, part := range strings.SplitAfter(text, " ") {
			send(delta(map[string]any{"content": part}, nil))
		}
		send(delta(map[string]any{}, "stop"))
	})
}
