package browser

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var shots = flag.String("shots", "", "`folder` that TestShots writes pictures of the page to")

// shot writes a picture of what is seen.
func (p *page) shot(name string) {
	p.t.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

const rich = `Here is a **plan** with *some* ` + "`inline code`" + `, and a [link](https://example.org/a).

## Steps

1. Read the file.
2. Turn it around:
   - bytes first
   - then runes
3. Done.

` + "```go\n// Reverse returns s with its characters in reverse order.\nfunc Reverse(s string) string {\n\tr := []rune(s)\n\tfor i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {\n\t\tr[i], r[j] = r[j], r[i] // a comment that is so long that the line must be scrolled sideways to be read to its very end, on any screen there is\n\t}\n\treturn string(r)\n}\n```" + `

| drink | caffeine | costs |
|---|--:|---|
| tea | 40 mg | little |
| coffee | 95 mg | more |

> A quotation, to be seen in its own colour.

- [x] done
- [ ] open
`

// TestPicture writes the picture of docs/server.md: a model within a budget, while it answers. go test -run TestPicture -shots ../../docs.
func TestPicture(t *testing.T) {
	if *shots == "" {
		t.Skip("no -shots")
	}
	p := open(t, options{args: within(t, 6<<20), size: size{1360, 820, false}, moves: true})
	p.set("system", "")
	p.set("temperature", "0.6")
	p.set("seed", "4")
	p.say("Who goes there? Speak, and tell me of the king.")
	p.until(`document.querySelector("#grid").dataset.tokens > 250`)
	p.shot("page")
}

// TestShotStates writes pictures of what is seen more seldom.
func TestShotStates(t *testing.T) {
	if *shots == "" {
		t.Skip("no -shots")
	}
	n := 0
	p := open(t, options{wrap: script(func(_ *http.Request, send func(any)) {
		if n++; n%3 == 0 {
			send(delta(map[string]any{"content": "It begins"}, nil))
			send(map[string]any{"error": map[string]any{"message": "the disk is gone"}})
			return
		}
		send(delta(map[string]any{"reasoning_content": "First I should look at the *question*.\n\nThen I should answer."}, nil))
		send(delta(map[string]any{"content": "It is so, and it is not."}, nil))
		send(delta(map[string]any{}, "stop"))
	})})
	eval[bool](p, `(async () => {
		const list = Array.from({ length: 60 }, (_, i) => ({ title: "Conversation " + (i + 1) + " about something that has a long name", updated: Date.now() - i * i * 3e7, messages: [{ id: "a", parent: null, role: "user", content: "x" }] }));
		const file = new File([JSON.stringify({ format: "st-conversations", version: 1, conversations: list })], "many.json");
		const data = new DataTransfer();
		data.items.add(file);
		document.querySelector("#import-file").files = data.files;
		document.querySelector("#import-file").dispatchEvent(new Event("change"));
		return true;
	})()`)
	p.until(`document.querySelectorAll("#conversations .title").length === 60`)
	p.begin("Is it so?")
	eval[bool](p, `(document.querySelector("details.reasoning").open = true)`)
	p.say("And is this?")
	p.answered()
	p.click(`.message.assistant [aria-label="Answer again"]`)
	p.until(`document.querySelector(".message:last-child .error:not([hidden])")`)
	p.shot("states")
	p.click("#conversations li:first-child [aria-haspopup]")
	p.shot("states-menu")
	p.do(chromedp.KeyEvent(kb.Escape))
	p.click(".message.user [aria-label=Edit]")
	p.shot("states-edit")
}

// TestShots writes pictures of the page, to be looked at: go test -run TestShots -shots DIR.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("no -shots")
	}
	for _, o := range []struct {
		name string
		options
	}{
		{"desktop-light", options{size: desktop, moves: true}}, {"desktop-dark", options{size: desktop, dark: true, moves: true}},
		{"phone-light", options{size: phone, moves: true}}, {"phone-dark", options{size: phone, dark: true, moves: true}},
	} {
		t.Run(o.name, func(t *testing.T) {
			real := open(t, o.options)
			real.shot(o.name + "-empty")
			real.say("Who goes there? Speak, and tell me of the king.")
			if o.size.phone {
				real.answered()
				real.click("#experts-toggle")
			} else {
				real.until(`document.querySelector("#grid").dataset.tokens > 200`)
			}
			real.shot(o.name + "-experts")

			o.options.wrap = says(rich)
			p := open(t, o.options)
			p.say("Write a Go function that reverses a string, and explain each line of it to somebody who has never seen Go.")
			p.answered()
			p.shot(o.name + "-rich")
			p.click("#settings-toggle")
			p.shot(o.name + "-settings")
			p.click("#settings .panel-close")
			eval[int](p, `document.querySelector("#scroller").scrollTop = 0`)
			p.shot(o.name + "-top")
			if o.size.phone {
				p.click("#sidebar-toggle")
				p.shot(o.name + "-sidebar")
			} else {
				p.click("#help")
				p.shot(o.name + "-help")
			}
		})
	}
}
