package browser

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Settings reach the server as they were typed, with as many digits as they have; one that cannot be is refused with words and leaves the one before.
func TestSettingsAreSent(t *testing.T) {
	bodies := make(chan map[string]any, 1)
	p := open(t, options{size: desktop, wrap: script(func(r *http.Request, send func(any)) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies <- body
		send(delta(map[string]any{"content": "Well."}, "stop"))
	})})
	sent := func() string {
		t.Helper()
		p.say("Speak")
		p.answered()
		body := <-bodies
		for _, name := range []string{"model", "messages", "stream", "stream_options"} {
			delete(body, name)
		}
		return string(mustJSON(t, body))
	}
	p.click("#settings-toggle")
	for name, value := range map[string]string{"temperature": "0.725", "top_p": "0.995", "top_k": "7", "min_p": "0.005", "repetition_penalty": "1.025", "max_tokens": "9", "seed": "3", "stop": "a\n b"} {
		p.set(name, value)
	}
	const all = `{"max_tokens":9,"min_p":0.005,"repetition_penalty":1.025,"seed":3,"stop":["a"," b"],"temperature":0.725,"top_k":7,"top_p":0.995}`
	if got := sent(); got != all {
		t.Errorf("sent is %s, want %s", got, all)
	}
	p.set("temperature", "11")
	p.set("top_k", "1.5")
	if got := sent(); got != all {
		t.Errorf("after what cannot be, sent is %s, want %s", got, all)
	}
	// Arrows change a number by a hundredth.
	p.set("temperature", "0.725")
	p.do(chromedp.Focus(chromedp.CSS("#p-temperature")), chromedp.KeyEvent(kb.ArrowUp))
	if got := eval[string](p, `document.querySelector("#p-temperature").value`); got != "0.735" {
		t.Errorf("an arrow makes 0.725 %s", got)
	}
	eval[bool](p, `([...document.querySelectorAll("#settings button")].find((b) => b.innerText.startsWith("Back")).click(), true)`)
	if got := sent(); got != `{}` {
		t.Errorf("after going back, sent is %s", got)
	}
}

// What is typed into a setting holds at once: whatever is done next takes it over.
func TestSettingsWhileTyped(t *testing.T) {
	p := open(t, options{size: desktop, wrap: says("Well.")})
	p.click("#settings-toggle")
	p.do(chromedp.SendKeys(chromedp.CSS("#p-system"), "Be terse."), chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.until(`document.activeElement.id === "input"`)
	if got := eval[string](p, `document.querySelector("#p-system").value`); got != "Be terse." {
		t.Errorf("the system prompt is %q", got)
	}
}

// A proxy may have the server below a prefix.
func TestPrefix(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ErrorLog = quiet
	web := httptest.NewServer(http.StripPrefix("/a/b", whole(proxy)))
	defer web.Close()
	p.do(chromedp.Navigate(web.URL + "/a/b/"))
	p.ready()
	p.say("Speak")
	p.answered()
	if got := p.path(); len(got) != 2 || got[1][1] != "Well." {
		t.Errorf("%q", got)
	}
	p.click("#experts-toggle")
	p.until(`document.querySelector("#experts-note").innerText.includes("is not loaded")`)
	p.do(chromedp.Navigate("about:blank")) // the events end before their proxy
}

// A key may have any letters.
func TestKeyOfAnyLetters(t *testing.T) {
	p := open(t, options{args: []string{modelPath, "--api-key", "Schlüssel ключ"}})
	p.expect("401")
	p.fill("#dialog-input", "Schlüssel ключ")
	p.click("dialog .primary")
	p.until(`!document.querySelector("dialog") && document.querySelector("#model").value === "tiny"`)
}
