package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// titles returns the titles in the list of conversations.
func (p *page) titles() []string {
	p.t.Helper()
	return eval[[]string](p, `[...document.querySelectorAll("#conversations .title")].map((e) => e.innerText)`)
}

// begin begins a conversation with a message.
func (p *page) begin(text string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.until(`document.querySelectorAll(".message").length === 0`)
	p.say(text)
	p.answered()
}

// menu does what an item of the menu of the first conversation says.
func (p *page) menu(item string) {
	p.t.Helper()
	p.click(`#conversations li:first-child [aria-haspopup]`)
	p.do(chromedp.WaitVisible(chromedp.CSS("#menu")))
	eval[bool](p, fmt.Sprintf(`([...document.querySelectorAll("#menu button")].find((b) => b.innerText === %q).click(), true)`, item))
}

// Several conversations: begun, found, opened, renamed, deleted, kept, and taken to another browser.
func TestConversations(t *testing.T) {
	p := open(t, options{wrap: says("I have heard that.")})
	p.begin("The first one")
	p.begin("The second one")
	if got := fmt.Sprint(p.titles()); got != "[The second one The first one]" {
		t.Fatalf("the list is %s", got)
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "FIRST"))
	p.until(`document.querySelectorAll("#conversations .title").length === 1`)
	p.click("#conversations .title")
	p.until(`document.querySelector(".message.user .body").innerText === "The first one"`)
	p.fill("#search", "")
	p.do(chromedp.KeyEvent(kb.ArrowUp, chromedp.KeyModifiers(chromedp.ModifierAlt)))
	p.until(`document.querySelector(".message.user .body").innerText === "The second one"`)

	p.menu("Rename")
	p.do(chromedp.SetValue(chromedp.CSS("#dialog-input"), "Another title"), chromedp.KeyEvent(kb.Enter))
	p.until(`document.querySelector("#conversations .title").innerText === "Another title"`)
	if got := eval[string](p, `document.title`); got != "Another title – st" {
		t.Errorf("the tab's title is %q", got)
	}
	p.reload()
	if got := fmt.Sprint(p.titles()); got != "[Another title The first one]" {
		t.Errorf("after loading anew the list is %s", got)
	}

	file := p.download(func() { p.click("#export") })
	var exported struct {
		Format        string
		Conversations []struct {
			Title    string
			Messages []struct{ Role, Content string }
		}
	}
	if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &exported) != nil {
		t.Fatal(err)
	}
	if c := exported.Conversations; exported.Format != "st-conversations" || len(c) != 2 || c[0].Title != "Another title" || c[0].Messages[1].Content != "I have heard that." {
		t.Errorf("the file has %+v", exported)
	}

	p.menu("Delete")
	p.click("dialog .danger")
	p.until(`document.querySelectorAll("#conversations .title").length === 1 && document.querySelectorAll(".message").length === 0`)

	other := open(t, options{wrap: says("")})
	other.do(chromedp.SetUploadFiles(chromedp.CSS("#import-file"), []string{file}))
	other.until(`document.querySelectorAll("#conversations .title").length === 2 && document.querySelectorAll(".message").length === 2`)
	if got := other.path(); len(got) != 2 || got[0][1] != "The second one" || got[1][1] != "I have heard that." {
		t.Errorf("the other browser shows %q", got)
	}
	other.reload()
	if got := fmt.Sprint(other.titles()); got != "[Another title The first one]" {
		t.Errorf("the other browser's list is %s", got)
	}
}

// download returns the file that something downloads.
func (p *page) download(begin func()) string {
	p.t.Helper()
	dir := p.t.TempDir()
	if _, err := chromedp.CallBrowser(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
		DownloadPath: dir, EventsEnabled: new(true)}); err != nil {
		p.t.Fatal(err)
	}
	events := chromedp.BrowserEvents(p.ctx, browser.DownloadProgress)
	begin()
	for e, err := range events {
		if err != nil {
			p.t.Fatal(err)
		}
		if e.State == browser.DownloadProgressStateCompleted {
			return filepath.Join(dir, e.GUID)
		}
	}
	p.t.Fatal("nothing was downloaded")
	return ""
}

// Files that are no conversations are refused with words, and change nothing.
func TestImportErrors(t *testing.T) {
	p := open(t, options{wrap: says("")})
	for name, tt := range map[string]struct{ text, want string }{
		"not JSON":     {`{"format"`, "it is not JSON"},
		"no list":      {`{"a": 1}`, "no conversations of this page"},
		"version":      {`{"format":"st-conversations","version":2}`, "its version is 2"},
		"role":         {`{"format":"st-conversations","version":1,"conversations":[{"messages":[{"role":"root"}]}]}`, "neither user nor assistant"},
		"cycle":        {`{"format":"st-conversations","version":1,"conversations":[{"messages":[{"id":"a","parent":"b","role":"user","content":""},{"id":"b","parent":"a","role":"user","content":""}]}]}`, "does not come before it"},
		"plain, wrong": {`{"messages":[{"role":"user"}]}`, "message 1 has no text"},
	} {
		file := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.do(chromedp.SetUploadFiles(chromedp.CSS("#import-file"), []string{file}))
		p.until(`!document.querySelector("#notice").hidden`)
		if got := p.text("#notice"); !strings.Contains(got, "was not imported") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		p.click("#notice button")
	}
	if got := p.titles(); len(got) != 0 {
		t.Errorf("the list is %q", got)
	}
	// Messages as APIs have them are a conversation.
	file := filepath.Join(t.TempDir(), "api.json")
	if err := os.WriteFile(file, []byte(`{"messages":[{"role":"system","content":"Be terse."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Yes?"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#import-file"), []string{file}))
	p.until(`document.querySelectorAll(".message").length === 2`)
	if got := eval[string](p, `document.querySelector("#p-system").value`); got != "Be terse." {
		t.Errorf("the system prompt is %q", got)
	}
	if got := eval[string](p, `document.querySelector("#model").value`); got != "tiny" {
		t.Errorf("the model is %q", got)
	}
}

// A browser whose storage is full says so, once, and the page goes on.
func TestStorageFull(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	eval[bool](p, `(IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); }, true)`)
	p.say("Speak")
	p.answered()
	p.until(`document.querySelector("#notice").innerText.includes("storage is full")`)
	p.click("#notice button")
	p.say("And again")
	p.answered()
	if got := p.text("#notice"); got != "" {
		t.Errorf("the page says again %q", got)
	}
	if got := p.path(); len(got) != 4 || got[1][1] != "Well." {
		t.Errorf("%q", got)
	}
}

// before runs a script before those of the page, whenever it is loaded.
func (p *page) before(script string) {
	p.t.Helper()
	call(p, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// A browser that has conversations and cannot read them, or has no database at all, says so once: the page goes on without.
func TestStorageFails(t *testing.T) {
	for name, script := range map[string]string{
		"unreadable": `for (const f of ["get", "getAll"]) IDBObjectStore.prototype[f] = () => { throw new DOMException("Internal error.", "UnknownError"); };`,
		"closed":     `IDBDatabase.prototype.transaction = () => { throw new DOMException("The database connection is closing.", "InvalidStateError"); };`,
		"forbidden":  `IDBFactory.prototype.open = () => { throw new DOMException("denied", "SecurityError"); };`,
		"missing":    `Object.defineProperty(window, "indexedDB", { value: undefined });`,
		"no local":   `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } }); delete window.indexedDB; Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("denied", "SecurityError"); } });`,
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, options{wrap: says("Well.")})
			p.begin("Kept")
			p.before(script)
			p.reload()
			if got := p.text("#notice"); !strings.Contains(got, "does not let the page keep conversations") {
				t.Errorf("the page says %q", got)
			}
			p.click("#notice button")
			p.begin("First")
			p.begin("Second")
			p.click("#conversations li:last-child .title")
			p.until(`document.querySelector(".message.user .body").innerText === "First"`)
			if got := p.path(); len(got) != 2 || got[1][1] != "Well." {
				t.Errorf("%q", got)
			}
			if got := p.text("#notice"); got != "" {
				t.Errorf("the page says again %q", got)
			}
		})
	}
}

// A conversation that cannot be deleted stays, and the page says why.
func TestDeleteFails(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.begin("First")
	eval[bool](p, `(IDBObjectStore.prototype.delete = () => { throw new DOMException("Internal error.", "UnknownError"); }, true)`)
	p.menu("Delete")
	p.click("dialog .danger")
	p.until(`document.querySelector("#notice").innerText.startsWith("The browser could not delete the conversation: Internal error.")`)
	if got := fmt.Sprint(p.titles()); got != "[First]" {
		t.Errorf("the list is %s", got)
	}
}

// One conversation that the browser cannot read leaves the others as they are.
func TestConversationUnreadable(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.begin("First")
	p.begin("Second")
	p.before(`{
		const get = IDBObjectStore.prototype.get, bad = JSON.parse(localStorage.getItem("st.open"));
		IDBObjectStore.prototype.get = function (id) { if (id === bad) throw new DOMException("Failed to read large IndexedDB value", "DataError"); return get.call(this, id); };
	}`)
	p.reload()
	if got := p.text("#notice"); !strings.Contains(got, "cannot read the conversation: Failed to read") {
		t.Errorf("the page says %q", got)
	}
	p.click("#conversations li:last-child .title")
	p.until(`document.querySelector(".message.user .body")?.innerText === "First"`)
	file := p.download(func() { p.click("#export") })
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), `"First"`) || strings.Contains(string(data), `"Second"`) {
		t.Errorf("exported is %s, %v", data, err)
	}
	p.until(`document.querySelector("#notice").innerText.startsWith("The browser cannot read 1 of 2 conversations")`)
	p.menu("Delete")
	p.click("dialog .danger")
	p.until(`document.querySelectorAll("#conversations .title").length === 1`)
}

// A conversation that is in the list and whose messages are gone is not shown as if it was empty: the page says so. It can be deleted.
func TestConversationLost(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.begin("First")
	eval[bool](p, `(async () => {
		const db = await new Promise((done) => { const r = indexedDB.open("st", 1); r.onsuccess = () => done(r.result); });
		return new Promise((done) => { db.transaction("contents", "readwrite").objectStore("contents").clear().onsuccess = () => done(true); });
	})()`)
	const says = `document.querySelector("#notice").innerText.startsWith("The browser cannot read the conversation: its messages are gone.")`
	p.reload()
	p.until(says)
	p.click("#notice button")
	p.click("#conversations .title")
	p.until(says)
	p.menu("Delete")
	p.click("dialog .danger")
	p.until(`document.querySelectorAll("#conversations .title").length === 0`)
	p.click("#notice button")
	p.reload() // one that is in no list is missed by nobody
	if got := p.text("#notice"); got != "" {
		t.Errorf("the page says %q", got)
	}
}

// Two tabs of one browser show the same conversations.
func TestTwoTabs(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.say("Speak")
	p.answered()
	other := eval[string](p, `(async () => {
		const frame = new BroadcastChannel("st.conversations");
		const told = new Promise((done) => (frame.onmessage = (e) => done(e.data)));
		document.querySelector('.message.user [aria-label="Edit"]').click();
		document.querySelector(".editor .primary").click();
		return told;
	})()`)
	if len(other) != 24 {
		t.Errorf("other tabs are told of %q", other)
	}
	p.answered()
	// And this one listens.
	eval[bool](p, `(async () => {
		const db = await new Promise((done) => { const r = indexedDB.open("st", 1); r.onsuccess = () => done(r.result); });
		const t = db.transaction(["heads", "contents"], "readwrite");
		await new Promise((done) => { t.objectStore("heads").clear().onsuccess = () => (t.objectStore("contents").clear(), done()); });
		new BroadcastChannel("st.conversations").postMessage("x");
		return true;
	})()`)
	p.until(`document.querySelectorAll("#conversations .title").length === 0`)
}
