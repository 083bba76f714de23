package browser

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// second opens the page in another tab of the same browser.
func (p *page) second() *page {
	p.t.Helper()
	ctx, closeTab := chromedp.NewContext(p.ctx)
	p.t.Cleanup(closeTab)
	other := &page{t: p.t, ctx: ctx, tab: ctx, url: p.url}
	other.do(chromedp.EmulateViewport(window.width, window.height), chromedp.Navigate(p.url))
	other.ready()
	return other
}

// held answers with the beginning of a text, and with its end when the test says so, or nothing more if the client goes away.
func held(goOn <-chan struct{}) func(http.Handler) http.Handler {
	return script(func(r *http.Request, send func(any)) {
		send(delta(map[string]any{"content": "As far as"}, nil))
		select {
		case <-goOn:
			send(delta(map[string]any{"content": " that"}, "stop"))
		case <-r.Context().Done():
		}
	})
}

const coming = `document.querySelector(".message:last-child.running .body")?.innerText === "As far as"`

// What another tab writes into a conversation is not lost when the answer that comes in this one is kept, nor is what is being edited there.
func TestTwoTabsWrite(t *testing.T) {
	goOn := make(chan struct{}, 1)
	p := open(t, options{wrap: held(goOn)})
	p.say("First")
	p.until(coming)
	other := p.second()
	other.until(`document.querySelectorAll(".message").length === 2`)
	other.click(`.message.user [aria-label="Edit"]`)
	other.fill(".editor textarea", "Second")
	goOn <- struct{}{}
	p.answered()
	other.until(`document.querySelector(".message.assistant .body").innerText === "As far as that"`)
	if got := eval[string](other, `document.querySelector(".editor textarea")?.value ?? "gone"`); got != "Second" {
		t.Errorf("what is edited in the other tab: %q", got)
	}

	// Now both ask for an answer: all of it is kept.
	p.click(`.message:last-child [aria-label="Answer again"]`)
	p.until(coming)
	other.click(".editor .primary")
	other.until(coming)
	goOn <- struct{}{}
	goOn <- struct{}{}
	p.answered()
	other.answered()
	p.reload()
	said := eval[[]string](p, `(async () => {
		const db = await new Promise((done) => { const r = indexedDB.open("st", 1); r.onsuccess = () => done(r.result); });
		const all = await new Promise((done) => { db.transaction("contents").objectStore("contents").getAll().onsuccess = (e) => done(e.target.result); });
		return all.flatMap((c) => c.messages.map((m) => m.content)).sort();
	})()`)
	if want := `["As far as that","As far as that","As far as that","First","Second"]`; string(mustJSON(t, said)) != want {
		t.Errorf("kept are %q, want %s", said, want)
	}
}

// What a hidden tab has left of an answer, and another tab has read, does not replace the whole answer when that tab keeps its own.
func TestHiddenTabGoesOn(t *testing.T) {
	goOn := make(chan struct{}, 1)
	p := open(t, options{wrap: held(goOn)})
	p.say("First")
	p.until(coming)
	eval[bool](p, `(Object.defineProperty(document, "hidden", { value: true }), document.dispatchEvent(new Event("visibilitychange")))`)
	other := p.second()
	other.until(`document.querySelector(".message.assistant .body").innerText === "As far as"`)
	other.say("Second")
	other.until(coming)
	goOn <- struct{}{} // to the first one, which has waited longer
	p.answered()
	goOn <- struct{}{}
	other.answered()
	p.reload()
	if got := p.path(); len(got) != 4 || got[1][1] != "As far as that" || got[3][1] != "As far as that" {
		t.Errorf("%q", got)
	}
}

// What has come of answers in two tabs is kept when both are closed.
func TestTwoTabsClosed(t *testing.T) {
	p := open(t, options{wrap: held(nil)})
	p.say("First")
	p.until(coming)
	other := p.second()
	other.until(`document.querySelectorAll(".message").length === 2`)
	other.say("Second")
	other.until(coming)
	for _, tab := range []*page{p, other} {
		eval[bool](tab, `(dispatchEvent(new Event("pagehide")), true)`)
	}
	p.reload()
	if got := p.path(); len(got) != 4 || got[1][1] != "As far as" || got[3][1] != "As far as" {
		t.Errorf("%q", got)
	}
}

// What another tab changes and this one cannot read stays as it is here, also while an answer comes.
func TestUnreadableInOneTab(t *testing.T) {
	for name, script := range map[string]string{
		"the conversation": `IDBObjectStore.prototype.get = () => { throw new DOMException("Failed to read large IndexedDB value", "DataError"); }`,
		"the database":     `IDBObjectStore.prototype.getAll = () => { throw new DOMException("Internal error.", "UnknownError"); }`,
	} {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan struct{}, 1)
			p := open(t, options{wrap: held(goOn)})
			p.say("First")
			p.until(coming)
			other := p.second()
			other.until(`document.querySelectorAll(".message").length === 2`)
			eval[bool](p, `((`+script+`), window.changes = 0, window.channel = new BroadcastChannel("st.conversations"), channel.onmessage = () => changes++, true)`)
			for i := range 3 { // the answer ends before the third change
				if i == 2 {
					goOn <- struct{}{}
					p.answered()
				}
				eval[bool](p, `(changes = 0, true)`)
				other.menu("Rename")
				other.do(chromedp.SetValue(chromedp.CSS("#dialog-input"), fmt.Sprint("Title ", i)), chromedp.KeyEvent(kb.Enter))
				p.until(`changes > 0`)
			}
			if got := p.path(); len(got) != 2 || got[1][1] != "As far as that" {
				t.Errorf("%q", got)
			}
		})
	}
}

// A conversation that is opened is shown, whatever another tab does with the one that is left.
func TestOpenWhileChanged(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.begin("First")
	p.begin("Second")
	p.before(`{
		const Channel = BroadcastChannel;
		window.BroadcastChannel = function (name) { return window.channel = new Channel(name); };
	}`)
	p.reload()
	eval[bool](p, `(document.querySelector("#conversations li:last-child .title").click(), channel.onmessage({ data: JSON.parse(localStorage.getItem("st.open")) }), true)`)
	p.until(`document.querySelector(".message.user .body")?.innerText === "First"`)
}

// A conversation that another tab deletes while an answer comes ends, and does not come back.
func TestDeletedInAnotherTab(t *testing.T) {
	p := open(t, options{wrap: held(nil)})
	p.say("First")
	p.until(coming)
	other := p.second()
	other.menu("Delete")
	other.click("dialog .danger")
	p.until(`document.querySelector("#stop").hidden && document.querySelectorAll(".message").length === 0`)
	p.reload()
	if got := p.titles(); len(got) != 0 {
		t.Errorf("the list is %q", got)
	}
}

// A conversation that the browser has no room for is there until the page is closed: it is in the list, can be left and opened again.
func TestStorageFullHolds(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	eval[bool](p, `(IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); }, true)`)
	p.say("Speak")
	p.answered()
	p.until(`document.querySelectorAll("#conversations .title").length === 1`)
	p.click("#new-chat")
	p.until(`document.querySelectorAll(".message").length === 0`)
	p.click("#conversations .title")
	p.until(`document.querySelectorAll(".message").length === 2`)
	if got := p.path(); got[1][1] != "Well." {
		t.Errorf("%q", got)
	}
}

// A message that has begun is not lost: not one that was typed before the page was ready, and not by a look at other conversations.
func TestDraft(t *testing.T) {
	var again atomic.Bool // the page is loaded anew, and its program comes late
	loading, ready := make(chan struct{}), make(chan struct{})
	p := open(t, options{wrap: func(next http.Handler) http.Handler {
		next = says("Well.")(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page/js/main.js" && again.CompareAndSwap(true, false) {
				close(loading)
				<-ready
			}
			next.ServeHTTP(w, r)
		})
	}})
	p.begin("The first one")
	again.Store(true)
	eval[bool](p, `(setTimeout(() => location.reload()), true)`)
	<-loading
	p.until(`document.readyState === "interactive" && document.querySelector("#input")`)
	p.do(chromedp.SendKeys(chromedp.CSS("#input"), "And"))
	close(ready)
	p.ready()
	p.until(`document.querySelectorAll(".message").length === 2`)
	if got := eval[string](p, `document.querySelector("#input").value`); got != "And" {
		t.Errorf("of what was typed while the page was loaded there is %q", got)
	}
	newChat := func() { p.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl))) }
	newChat()
	p.until(`document.querySelectorAll(".message").length === 0`)
	p.do(chromedp.SendKeys(chromedp.CSS("#input"), "A new one"))
	p.click("#conversations .title")
	p.until(`document.querySelector("#input").value === "And"`)
	newChat()
	newChat()
	p.until(`document.querySelector("#input").value === "A new one"`)
}

// Esc closes a menu that is open, and leaves the answer alone.
func TestEscapeInMenu(t *testing.T) {
	goOn := make(chan struct{}, 1)
	p := open(t, options{wrap: held(goOn)})
	p.say("First")
	p.until(coming)
	p.click(`#conversations li:first-child [aria-haspopup]`)
	p.do(chromedp.WaitVisible(chromedp.CSS("#menu")), chromedp.KeyEvent(kb.Escape))
	p.until(`!document.querySelector("#menu:popover-open")`)
	goOn <- struct{}{}
	p.answered()
	if got := p.path()[1][1]; got != "As far as that" {
		t.Errorf("the answer is %q", got)
	}
}
