package browser

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Every way in which an answer can fail is said in words, next to a button that tries again.
func TestErrors(t *testing.T) {
	var failure atomic.Pointer[http.HandlerFunc] // nil: there is none
	p := open(t, options{wrap: func(next http.Handler) http.Handler {
		good := says("Well.")(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f := failure.Load(); f != nil && r.URL.Path == "/v1/chat/completions" {
				(*f)(w, r)
				return
			}
			good.ServeHTTP(w, r)
		})
	}})
	p.expect("Failed to load resource")
	answer := func(status int, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	event := func(data string) string { return "data: " + data + "\n\n" }
	part := event(`{"choices":[{"delta":{"content":"Part"}}]}`)
	cut := make(chan struct{})
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		kept   bool // what had come is a version of the answer
	}{
		{"busy", answer(429, `{"error":{"message":"full","code":"queue_full"}}`, "Retry-After", "3"), "The server is busy. Try again in 3 s.", false},
		{"full", answer(503, `{"error":{"message":"there is no room"}}`, "Retry-After", "3"), "there is no room Try again in 3 s.", false},
		{"missing", answer(404, `{"error":{"message":"the model \"tiny\" is not served","code":"model_not_found"}}`), "Choose another one above", false},
		{"too long", answer(400, `{"error":{"message":"2000 tokens","code":"context_length_exceeded"}}`), "too long for the model", false},
		{"wrong field", answer(400, `{"error":{"message":"top_p: it is 2 and must be between 0 and 1"}}`), "top_p: it is 2", false},
		{"proxy", answer(502, "<html>Bad gateway</html>"), "status 502", false},
		{"in the stream", answer(200, part+event(`{"error":{"message":"the disk is gone"}}`)), "the disk is gone", true},
		{"ends early", answer(200, part), "ended before the answer did. What had come is kept.", true},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(part))
			w.(http.Flusher).Flush()
			<-cut
			panic(http.ErrAbortHandler)
		}, "was lost. What had come is kept.", true},
		{"unreachable", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be reached", false},
	} {
		failure.Store(&tt.answer)
		p.say("Speak")
		if tt.name == "cut" {
			p.until(`document.querySelector(".message:last-child .body").innerText === "Part"`)
			close(cut)
		}
		p.answered()
		if got := p.text(".message:last-child .error"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: it says %q, want %q", tt.name, got, tt.want)
		}
		failure.Store(nil)
		p.click(".message:last-child .error button")
		p.until(`document.querySelector(".message:last-child .body").innerText === "Well."`)
		p.answered()
		if versions := p.text(".message:last-child .versions"); tt.kept != strings.Contains(versions, "2/2") {
			t.Errorf("%s: the versions are %q", tt.name, versions)
		}
	}
}

// After an answer that did not come the conversation goes on, also with models that take a message of each in turn.
func TestGoOnAfterError(t *testing.T) {
	bodies := make(chan []byte, 2)
	p := open(t, options{wrap: script(func(r *http.Request, send func(any)) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if bodies <- body; len(bodies) == 1 {
			send(map[string]any{"error": map[string]any{"message": "the disk is gone"}})
			return
		}
		send(delta(map[string]any{"content": "Well."}, "stop"))
	})})
	for range 2 {
		p.say("Speak")
		p.answered()
	}
	<-bodies
	if body := string(<-bodies); !strings.Contains(body, `"messages":[{"role":"user","content":"Speak\n\nSpeak"}]`) {
		t.Errorf("sent is %s", body)
	}
}

// A server with a key: the page asks for it, keeps it, and forgets it.
func TestKey(t *testing.T) {
	p := open(t, options{args: []string{modelPath, "--api-key", "sesame"}, size: desktop})
	p.expect("401")
	give := func(key string) {
		p.do(chromedp.SendKeys(chromedp.CSS("#dialog-input"), key, chromedp.NodeVisible), chromedp.KeyEvent(kb.Enter))
	}
	give("wrong")
	p.until(`document.querySelector("dialog")?.innerText.includes("did not take the key")`)
	give("sesame")
	p.until(`!document.querySelector("dialog") && document.querySelector("#model").value === "tiny"`)
	p.brief()
	p.watches()
	p.say("Speak")
	p.answered()
	p.until(`document.querySelector("#grid").dataset.tokens > 0`) // the experts' events need the key, too
	p.reload()
	p.until(`document.querySelector("#model").value === "tiny" && !document.querySelector("dialog")`)

	p.click("#settings-toggle")
	eval[bool](p, `([...document.querySelectorAll("#settings button")].find((b) => b.innerText.includes("Forget")).click(), true)`)
	p.say("And again")
	p.do(chromedp.WaitVisible(chromedp.CSS("#dialog-input")))
	give("sesame")
	p.answered()
	p.until(`!document.querySelector(".message:last-child .error:not([hidden])")`)
}

// A model that is not served any more is shown as such; with another one the conversation goes on.
func TestModelGone(t *testing.T) {
	p := open(t, options{})
	p.brief()
	p.say("Speak")
	p.answered()
	eval[bool](p, `(async () => {
		const db = await new Promise((done) => { const r = indexedDB.open("st", 1); r.onsuccess = () => done(r.result); });
		const t = db.transaction("contents", "readwrite"), store = t.objectStore("contents");
		store.getAll().onsuccess = (e) => { const c = e.target.result[0]; c.model = "gone"; store.put(c); };
		return new Promise((done) => { t.oncomplete = () => done(true); });
	})()`)
	p.reload()
	p.until(`document.querySelector("#model").selectedOptions[0].innerText === "gone (not served)"`)
	p.expect("404")
	p.say("And now?")
	p.until(`document.querySelector(".message:last-child .error:not([hidden])")?.innerText.includes("Choose another one")`)
	p.fill("#model", "tiny")
	p.click(".message:last-child .error button")
	p.answered()
	p.until(`!document.querySelector(".message:last-child .error:not([hidden])")`)
}
