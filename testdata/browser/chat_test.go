package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// path returns the JSON of the messages that are shown: [[role, content], …].
func (p *page) path() [][2]string {
	p.t.Helper()
	return eval[[][2]string](p, `[...document.querySelectorAll(".message")].map((m) => [m.classList[1], m.querySelector(".body").innerText.trim()])`)
}

// set fills a field of the settings.
func (p *page) set(field, value string) {
	p.t.Helper()
	p.fill("#p-"+field, value)
}

// ask asks the server what the page should have been told: greedily, so that there is one answer.
func (p *page) ask(system string, messages ...string) string {
	p.t.Helper()
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	list := []message{{"system", system}}
	for i, m := range messages {
		list = append(list, message{[]string{"user", "assistant"}[i%2], m})
	}
	body, err := json.Marshal(map[string]any{"messages": list, "temperature": 0, "max_tokens": 24, "cache_prompt": false})
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.Post(p.url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || len(answer.Choices) != 1 {
		p.t.Fatal(answer, err)
	}
	return answer.Choices[0].Message.Content
}

// same reports whether a text that is shown is that of an answer, but for white space.
func same(shown, answer string) bool {
	return strings.Join(strings.Fields(shown), " ") == strings.Join(strings.Fields(answer), " ")
}

// A conversation with the real model: parameters and system prompt reach it, answers can be made again, messages edited, versions looked at, and all
// of it is there after the page is loaded anew.
func TestConversation(t *testing.T) {
	p := open(t, options{})
	p.click("#settings-toggle")
	p.until(`document.querySelector("#p-temperature").placeholder === "0.7"`) // what the file says
	p.set("system", "Speak as a king.")
	p.set("temperature", "0")
	p.set("max_tokens", "24")
	p.click("#settings .panel-close")

	p.do(chromedp.SendKeys(chromedp.CSS("#input"), "Who goes"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift)),
		chromedp.SendKeys(chromedp.CSS("#input"), "there?"), chromedp.KeyEvent(kb.Enter))
	p.answered()
	const question = "Who goes\nthere?"
	first := p.ask("Speak as a king.", question)
	if got := p.path(); len(got) != 2 || got[0] != [2]string{"user", question} || got[1][0] != "assistant" || !same(got[1][1], first) {
		t.Fatalf("%q; the server says %q", got, first)
	}
	if stats := p.text(".message:last-child .stats"); !strings.Contains(stats, "tokens/s") || !strings.Contains(stats, "24 tokens") || !strings.Contains(stats, "limit") {
		t.Errorf("the answer's figures are %q", stats)
	}

	// The second turn has the first one before it. What is shown of that has lost white space, so the page's own copy is compared.
	p.say("And what then?")
	p.answered()
	second := p.ask("Speak as a king.", question, first, "And what then?")
	if got := p.path(); len(got) != 4 || !same(got[3][1], second) {
		t.Errorf("the second turn is %q; the server says %q", got[2:], second)
	}

	// Again: a second version, the same since it is greedy. Both are kept.
	p.click(`.message:last-child [aria-label="Answer again"]`)
	p.until(`document.querySelector(".message:last-child .versions")?.innerText.includes("2/2")`)
	p.answered()
	p.click(`.message:last-child [aria-label="Version before"]`)
	p.until(`document.querySelector(".message:last-child .versions")?.innerText.includes("1/2")`)

	// Another text in the place of the first message: a branch without the second turn.
	p.click(`.message.user [aria-label="Edit"]`)
	p.do(chromedp.SetValue(chromedp.CSS(".editor textarea"), "Speak, sirrah."))
	p.click(".editor .primary")
	p.until(`document.querySelectorAll(".message").length === 2 && document.querySelector(".message.user .body").innerText === "Speak, sirrah."`)
	p.answered()
	edited := p.ask("Speak as a king.", "Speak, sirrah.")
	if got := p.path(); !same(got[1][1], edited) {
		t.Errorf("the answer to the edited message is %q; the server says %q", got[1][1], edited)
	}

	shown := p.path()
	p.reload()
	if got := p.path(); fmt.Sprint(got) != fmt.Sprint(shown) {
		t.Errorf("after loading anew: %q, before: %q", got, shown)
	}
	// The other branch is still there, with its second turn and the version that was looked at.
	p.click(`.message.user [aria-label="Version before"]`)
	p.until(`document.querySelectorAll(".message").length === 4`)
	if got := p.path(); got[0][1] != question || !same(got[3][1], second) {
		t.Errorf("the first branch is %q", got)
	}

	// An answer that is edited is what the model is said to have said.
	p.click(`.message.assistant [aria-label="Edit the answer"]`)
	p.do(chromedp.SetValue(chromedp.CSS(".editor textarea"), "It is **I**."))
	p.click(".editor .primary")
	p.until(`document.querySelector(".message.assistant .body strong")?.innerText === "I"`)
	p.click(`.message:last-child [aria-label="Answer again"]`)
	p.until(`document.querySelector(".message:last-child .versions")?.innerText.includes("3/3")`)
	p.answered()
	if got, want := p.path()[3][1], p.ask("Speak as a king.", question, "It is **I**.", "And what then?"); !same(got, want) {
		t.Errorf("after an edited answer: %q; the server says %q", got, want)
	}
}

// Stop ends the request at the server; what had come is kept. Esc does the same.
func TestStop(t *testing.T) {
	ended := make(chan struct{}, 2)
	p := open(t, options{wrap: script(func(r *http.Request, send func(any)) {
		send(delta(map[string]any{"content": "As far as"}, nil))
		<-r.Context().Done()
		ended <- struct{}{}
	})})
	for i, stop := range []func(){
		func() { p.click("#stop") },
		func() { p.do(chromedp.KeyEvent(kb.Escape)) },
	} {
		p.say("Go on")
		p.until(`document.querySelector(".message:last-child.running .body")?.innerText === "As far as"`)
		if busy := eval[string](p, `document.querySelector(".message:last-child").getAttribute("aria-busy")`); busy != "true" {
			t.Errorf("%d: aria-busy is %q", i, busy)
		}
		stop()
		select {
		case <-ended:
		case <-p.ctx.Done():
			t.Fatal("the server was not told")
		}
		p.answered()
		if got := p.text(".message:last-child .foot"); !strings.Contains(got, "stopped") {
			t.Errorf("%d: below it stands %q", i, got)
		}
		if focus := eval[string](p, "document.activeElement.id"); focus != "input" {
			t.Errorf("%d: the focus is on %q", i, focus)
		}
	}
	p.reload()
	if got := p.path(); len(got) != 4 || got[3][1] != "As far as" {
		t.Errorf("after loading anew: %q", got)
	}
}

// An answer ends, for the person who sees it, when it is kept: whoever closes the page then loses nothing.
func TestAnswerIsKeptBeforeItEnds(t *testing.T) {
	goOn := make(chan struct{})
	p := open(t, options{wrap: script(func(_ *http.Request, send func(any)) {
		send(delta(map[string]any{"content": "As far as"}, nil))
		<-goOn
		send(delta(map[string]any{"content": " that"}, "stop"))
	})})
	p.say("Go on")
	p.until(`document.querySelector(".message:last-child .body")?.innerText === "As far as"`)
	eval[bool](p, `(async () => {
		const begin = IDBDatabase.prototype.transaction;
		IDBDatabase.prototype.transaction = function (...args) { if (args[1] === "readwrite") window.writes = (window.writes ?? 0) + 1; return begin.apply(this, args); };
		const db = await new Promise((done) => { const r = indexedDB.open("st", 1); r.onsuccess = () => done(r.result); });
		const store = db.transaction("contents", "readwrite").objectStore("contents");
		return new Promise((done) => {
			const hold = () => { done(true); if (!window.release) store.count().onsuccess = hold; }; // other writers wait for this transaction
			store.count().onsuccess = hold;
		});
	})()`)
	close(goOn)
	p.until(`window.writes > 1`) // the first is what holds it
	if eval[bool](p, `document.querySelector("#stop").hidden`) {
		t.Error("the answer has ended, and is not kept yet")
	}
	eval[bool](p, `window.release = true`)
	p.answered()
	p.reload()
	if got := p.path(); len(got) != 2 || got[1][1] != "As far as that" {
		t.Errorf("after loading anew: %q", got)
	}
}

// A page that is closed while an answer comes has all that had come, and says that it is not all. So has one that is hidden, which may end without a word.
func TestReloadWhileRunning(t *testing.T) {
	p := open(t, options{wrap: script(func(r *http.Request, send func(any)) {
		send(delta(map[string]any{"reasoning_content": "Hm."}, nil))
		send(delta(map[string]any{"content": "Half"}, nil))
		<-r.Context().Done()
	})})
	const half = `document.querySelector(".message:last-child .body")?.innerText === "Half"`
	const incomplete = half + ` && document.querySelector(".message:last-child .error:not([hidden])")?.innerText.includes("is not complete")`
	p.say("Go on")
	p.until(half)
	p.reload()
	p.until(incomplete + ` && document.querySelector(".message:last-child .thoughts").textContent.trim() === "Hm."`)
	p.reload() // what was left stays
	p.until(incomplete)

	other := p.second()
	other.click("#new-chat")
	other.say("Another one")
	other.until(half)
	eval[bool](other, `(() => {
		Object.defineProperty(document, "hidden", { value: true });
		return document.dispatchEvent(new Event("visibilitychange"));
	})()`)
	p.click("#conversations li:not(.current) .title")
	p.until(`document.querySelector(".message.user .body").innerText === "Another one" && ` + incomplete)
}

// An edited message is not sent while an answer comes, and the box says why; then it is, and the focus goes to where the next one is written.
func TestEditWhileRunning(t *testing.T) {
	goOn := make(chan struct{}, 1)
	p := open(t, options{wrap: held(goOn)})
	p.say("First")
	p.until(coming)
	p.click(`.message.user [aria-label="Edit"]`)
	p.fill(".editor textarea", "Second")
	if got := p.text(".editor .hint"); !strings.Contains(got, "An answer is coming") {
		t.Errorf("beside the button stands %q", got)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	if !eval[bool](p, `document.querySelector(".editor .primary").disabled && document.querySelector(".editor textarea")?.value.trim() === "Second"`) { // the key's letter comes all the same
		t.Error("the edited message can be sent, or is gone")
	}
	goOn <- struct{}{}
	p.answered()
	p.until(`document.querySelector(".editor .hint").innerText === "The first version is kept."`)
	p.fill(".editor textarea", " ")
	p.until(`document.querySelector(".editor .primary").disabled`) // there is nothing to send
	p.fill(".editor textarea", "Second")
	p.click(".editor .primary")
	p.until(coming)
	if got := p.path(); len(got) != 2 || got[0][1] != "Second" {
		t.Errorf("%q", got)
	}
	if got := eval[string](p, `document.activeElement.id`); got != "input" {
		t.Errorf("the focus is at %q", got)
	}
	goOn <- struct{}{}
	p.answered()
}

// Who asks for another answer can write the next message, too: the button goes away. On a phone no keyboard opens for that.
func TestFocusAfterAgain(t *testing.T) {
	for _, tt := range []struct {
		size size
		want string
	}{{window, "input"}, {phone, ""}} {
		goOn := make(chan struct{}, 1)
		p := open(t, options{wrap: held(goOn), size: tt.size})
		p.say("First")
		p.until(coming)
		eval[bool](p, `(document.activeElement.blur(), true)`)
		goOn <- struct{}{}
		p.answered()
		p.click(`[aria-label="Answer again"]`)
		p.until(coming)
		if got := eval[string](p, `document.activeElement.id`); got != tt.want {
			t.Errorf("%d wide: the focus is at %q, want %q", tt.size.width, got, tt.want)
		}
		goOn <- struct{}{}
		p.answered()
	}
}

// A message that is being edited is there again after a look at another version of it, and at another conversation.
func TestEditIsKept(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.begin("Another conversation")
	p.begin("First")
	p.click(`.message.user [aria-label="Edit"]`)
	p.fill(".editor textarea", "Second")
	p.click(".editor .primary")
	p.answered()
	p.click(`.message.user [aria-label="Edit"]`)
	p.fill(".editor textarea", "Second, longer")
	const edited = `document.querySelector(".editor textarea")?.value === "Second, longer"`
	eval[bool](p, `(document.querySelector('[aria-label="Version before"]').click(), true)`)
	p.until(`document.querySelector(".message.user .body").innerText === "First" && !document.querySelector(".editor")`)
	p.click(`[aria-label="Version after"]`)
	p.until(edited)
	p.click("#conversations li:last-child .title")
	p.until(`document.querySelector(".message.user .body").innerText === "Another conversation" && !document.querySelector(".editor")`)
	p.click("#conversations li:first-child .title")
	p.until(edited)
	p.click(".editor .primary")
	p.answered()
	if got := p.path(); len(got) != 2 || got[0][1] != "Second, longer" {
		t.Errorf("%q", got)
	}
}

// Enter that ends a composition of an input method does not send, however the browser tells of it.
func TestComposition(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	p.fill("#input", "Nihon")
	for _, way := range []string{"isComposing: true", "keyCode: 229"} {
		eval[bool](p, `document.querySelector("#input").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", `+way+`, bubbles: true, cancelable: true }))`)
		if got := eval[string](p, `document.querySelector("#input").value`); got != "Nihon" {
			t.Errorf("%s: the box has %q", way, got)
		}
	}
}

// Reasoning is folded, and is not sent back.
func TestReasoning(t *testing.T) {
	bodies := make(chan map[string]any, 2)
	p := open(t, options{wrap: script(func(r *http.Request, send func(any)) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies <- body
		if len(body["messages"].([]any)) == 1 {
			send(delta(map[string]any{"reasoning_content": "Let me *think*."}, nil))
			send(delta(map[string]any{"content": "Done."}, nil))
		} else { // in no time
			send(delta(map[string]any{"reasoning_content": "Again.", "content": "Done."}, nil))
		}
		send(delta(map[string]any{}, "stop"))
	})})
	for range 2 {
		p.say("Think")
		p.answered()
	}
	if said := eval[[]string](p, `[...document.querySelectorAll("details.reasoning summary")].map((e) => e.textContent)`); len(said) != 2 || !strings.HasPrefix(said[0], "Thought for ") || !strings.HasPrefix(said[1], "Thought for ") {
		t.Errorf("the summaries are %q", said)
	}
	if open := eval[bool](p, `document.querySelector("details.reasoning").open`); open {
		t.Error("the reasoning is not folded")
	}
	p.click("details.reasoning summary")
	if got := p.text("details.reasoning"); !strings.Contains(got, "Thought for") || !strings.Contains(got, "Let me think.") {
		t.Errorf("%q", got)
	}
	<-bodies
	if data, err := json.Marshal((<-bodies)["messages"]); err != nil || string(data) != `[{"content":"Think","role":"user"},{"content":"Done.","role":"assistant"},{"content":"Think","role":"user"}]` {
		t.Errorf("%s, %v", data, err)
	}
}

func TestCopy(t *testing.T) {
	p := open(t, options{wrap: says("Text\n\n```go\nfunc main() {}\n```\n")})
	eval[bool](p, `navigator.clipboard.writeText = async (t) => { window.copied = t; }, true`)
	p.say("Code")
	p.answered()
	eval[bool](p, `(() => { // the button says for a moment only that it has copied
		const button = document.querySelector(".code-bar button");
		window.labels = [];
		new MutationObserver(() => labels.push(button.ariaLabel)).observe(button, { attributeFilter: ["aria-label"] });
		return true;
	})()`)
	p.click(`.message:last-child .code [aria-label="Copy code"]`)
	p.until(`labels.includes("Copied")`)
	if got := eval[string](p, "copied"); got != "func main() {}" {
		t.Errorf("%q", got)
	}
	if n := eval[int](p, `document.querySelectorAll(".code .hljs-keyword").length`); n != 1 {
		t.Errorf("%d keywords are coloured", n)
	}
	p.click(`.message:last-child .foot [aria-label="Copy"]`)
	p.until(`copied.startsWith("Text\n\n` + "```go" + `")`)
}

// Without a right to the clipboard a selection is copied.
func TestCopyWithoutClipboard(t *testing.T) {
	p := open(t, options{wrap: says("Well.")})
	eval[bool](p, `(() => {
		navigator.clipboard.writeText = async () => { throw new DOMException("denied", "NotAllowedError"); };
		document.execCommand = (what) => { window.copied = what + " " + document.activeElement.value; return true; };
		const later = setTimeout;
		window.setTimeout = (f, ms) => (ms > 1000 ? 0 : later(f, ms)); // what the button says stays
		return true;
	})()`)
	p.say("Speak")
	p.answered()
	p.click(`.message:last-child .foot [aria-label="Copy"]`)
	p.until(`window.copied === "copy Well." && document.activeElement.ariaLabel === "Copied"`)
}

// Files that are pasted or dropped are refused with words, and do not take the page's place.
func TestFiles(t *testing.T) {
	p := open(t, options{})
	for _, way := range []string{`new ClipboardEvent("paste", {clipboardData: files, bubbles: true})`, `new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true})`} {
		stopped := eval[bool](p, `(() => {
			const files = new DataTransfer();
			files.items.add(new File(["x"], "a.png", {type: "image/png"}));
			return !document.querySelector("#input").dispatchEvent(`+way+`);
		})()`)
		if got := p.text("#notice"); !strings.Contains(got, "files cannot be sent") || stopped != strings.Contains(way, "drop") {
			t.Errorf("after %s the page says %q, stopped: %v", way, got, stopped)
		}
		p.click("#notice button")
	}
	// A table of a spreadsheet is text, and a picture of it.
	eval[bool](p, `(() => {
		const both = new DataTransfer();
		both.items.add(new File(["x"], "a.png", {type: "image/png"}));
		both.setData("text/plain", "1");
		return document.querySelector("#input").dispatchEvent(new ClipboardEvent("paste", {clipboardData: both, bubbles: true}));
	})()`)
	if got := p.text("#notice"); got != "" {
		t.Errorf("after text the page says %q", got)
	}
}
