package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// hostile is text that would run, look like the page, or tell others, if it could.
var hostile = []string{
	`<img src=x onerror="window.hacked=1">`,
	`<svg onload="window.hacked=2"><script>window.hacked=3</script></svg>`,
	`<script>window.hacked=4</script>`,
	`[click](javascript:window.hacked=5) [data](data:text/html,<script>window.hacked=6</script>) <a href="vbscript:x">v</a>`,
	`<a href="JaVaScRiPt:window.hacked=7" onclick="window.hacked=8">x</a>`,
	`<iframe srcdoc="<script>parent.hacked=9</script>"></iframe>`,
	`<div id="send" class="scrim menu" style="position:fixed;inset:0">over the page</div>`,
	`<form action="/v1/chat/completions"><button formaction="javascript:window.hacked=10">b</button><input autofocus onfocus="window.hacked=11"></form>`,
	`![remote](https://example.org/track.png) <img src="https://example.org/track2.png">`,
	"```js\"><img src=x onerror=window.hacked=12>\nlet x = '<img src=x onerror=window.hacked=13>';\n```",
	"```html\n<script>window.hacked=14</script>\n```",
	`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked=15&gt;">`,
	`<style>body{display:none}</style><link rel=stylesheet href="https://example.org/x.css"><meta http-equiv=refresh content="0;url=https://example.org">`,
	`<details ontoggle="window.hacked=16" open>d</details><video><source onerror="window.hacked=17"></video>`,
	`[x]: javascript:window.hacked=18 "t"` + "\n\n[x] ![y][x]",
}

// check fails if anything of the text took effect.
func (p *page) checkHarmless() {
	p.t.Helper()
	if got := eval[string](p, `String(window.hacked)`); got != "undefined" {
		p.t.Errorf("something ran: %s", got)
	}
	for _, bad := range eval[[]string](p, `(() => {
		const bad = [];
		for (const e of document.querySelectorAll(".message *")) {
			if (/^(SCRIPT|IMG|IFRAME|STYLE|LINK|META|FORM|INPUT|VIDEO|SOURCE|OBJECT|EMBED|MATH)$/i.test(e.nodeName)) bad.push(e.nodeName);
			for (const a of e.attributes) if (/^on/i.test(a.name) || (a.name === "style")) bad.push(e.nodeName + " " + a.name);
			if (e.href && e.nodeName === "A" && !/^https?:|^mailto:/.test(e.href)) bad.push("href " + e.href);
			if (e.nodeName === "A" && e.rel.indexOf("noopener") < 0) bad.push("rel " + e.rel);
			if (e.closest(".block") && /scrim|menu/.test(e.className) && !e.closest("svg")) bad.push("class " + e.className);
		}
		if (document.querySelectorAll("#send").length !== 1) bad.push("a second #send");
		if (getComputedStyle(document.body).display === "none") bad.push("the page is hidden");
		return bad;
	})()`) {
		p.t.Errorf("in the page: %s", bad)
	}
}

// What a model writes is text, also while it is coming and when it is loaded again.
func TestHostileAnswer(t *testing.T) {
	i := 0
	p := open(t, options{wrap: script(func(_ *http.Request, send func(any)) {
		for _, part := range strings.SplitAfter(hostile[i], " ") {
			send(delta(map[string]any{"content": part}, nil))
		}
		send(delta(map[string]any{}, "stop"))
	})})
	for ; i < len(hostile); i++ {
		p.say(hostile[i]) // and what a person writes
		p.until(fmt.Sprintf(`document.querySelectorAll(".message").length === %d`, 2*i+2))
		p.until(`document.querySelector("#stop").hidden`)
		p.checkHarmless()
		if got := p.path()[2*i][1]; got == "" {
			t.Errorf("%q: the person's own words are not shown", hostile[i])
		}
	}
	p.reload()
	p.checkHarmless()
	if n := len(p.path()); n != 2*len(hostile) {
		t.Errorf("%d messages after loading anew", n)
	}
}

// So are files with conversations: titles, messages, reasoning, models.
func TestHostileFile(t *testing.T) {
	p := open(t, options{})
	x := `<img src=x onerror="window.hacked=1">`
	var messages []any
	parent := any(nil)
	for i, text := range hostile {
		id := string(rune('a' + i))
		messages = append(messages, map[string]any{"id": id, "parent": parent, "role": []string{"user", "assistant"}[i%2], "content": text, "reasoning": text,
			"model": x, "finish": x, "stats": map[string]any{"speed": x, "tokens": x}, "error": map[string]any{"message": x}})
		parent = id
	}
	file := filepath.Join(t.TempDir(), "hostile.json")
	data, err := json.Marshal(map[string]any{"format": "st-conversations", "version": 1, "conversations": []any{map[string]any{
		"title": x, "model": x, "system": x, "params": map[string]any{"temperature": x, "stop": []any{x, 1}}, "leaf": parent, "messages": messages}}})
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#import-file"), []string{file}))
	p.until(`document.querySelectorAll(".message").length === ` + string(mustJSON(t, len(hostile))))
	p.checkHarmless()
	p.until(`document.querySelector("#conversations .title")`)
	if title := p.text("#conversations .title"); title != x {
		t.Errorf("the title is %q", title)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The page's policy holds: what would run if it came into the page does not.
func TestPolicy(t *testing.T) {
	p := open(t, options{})
	p.expect("Content Security Policy", "requires 'Trusted", "Failed to load resource")
	got := eval[[]string](p, `(async () => {
		const broken = [];
		document.addEventListener("securitypolicyviolation", (e) => broken.push(e.effectiveDirective));
		const img = document.createElement("img"); img.src = "https://example.org/x.png"; document.body.append(img);
		try { document.createElement("script").src = "https://example.org/x.js"; broken.push("a script came in"); } catch {}
		const style = document.createElement("style"); style.textContent = "body { display: none }"; document.body.append(style);
		try { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); broken.push("html came in"); } catch {}
		await fetch("https://example.org/").catch(() => {});
		await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
		return broken.sort();
	})()`)
	want := []string{"connect-src", "img-src", "require-trusted-types-for", "require-trusted-types-for", "style-src-elem"}
	if string(mustJSON(t, got)) != string(mustJSON(t, want)) {
		t.Errorf("the policy stops %q, want %q", got, want)
	}
}
