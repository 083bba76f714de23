package browser

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const ground = `getComputedStyle(document.body).backgroundColor`

// The theme is the system's until another is chosen, which is kept.
func TestTheme(t *testing.T) {
	const dark, light = "rgb(23, 24, 27)", "rgb(255, 255, 255)"
	p := open(t, options{dark: true})
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, dark},
		{func() { p.click("#theme") }, light},
		{p.reload, light},
		{func() { p.click("#theme") }, dark},
		{p.reload, dark},
	} {
		step.do()
		if got := eval[string](p, ground); got != step.want {
			t.Errorf("the ground is %s, want %s", got, step.want)
		}
	}
	if kept := eval[bool](p, `localStorage.getItem("st.theme") !== null`); kept {
		t.Error("the system's theme is kept as a choice")
	}
}

// On a phone nothing is wider than the window, whatever an answer has, and each side can be opened and closed.
func TestPhone(t *testing.T) {
	long := strings.Repeat("wide", 200)
	p := open(t, options{size: phone, wrap: says(rich + "\n" + long + "\n\n| " + strings.Repeat(long[:40]+" | ", 6) + "\n|" + strings.Repeat("---|", 6) + "\n\n$$" + long + "$$ https://example.org/" + long)})
	fits := func(when string) {
		t.Helper()
		if over := eval[[]string](p, `(() => {
			const over = [];
			if (document.documentElement.scrollWidth > innerWidth) over.push("the document: " + document.documentElement.scrollWidth);
			for (const id of ["scroller", "sidebar", "panel", "main"]) { const e = document.getElementById(id); if (e.scrollWidth > e.clientWidth + 1) over.push(id + ": " + e.scrollWidth + " in " + e.clientWidth); }
			for (const e of document.querySelectorAll("button, input, select, textarea")) { const r = e.getBoundingClientRect(); if (r.width > 0 && !e.closest(".sr-only, [inert]") && (r.left < -1 || r.right > innerWidth + 1)) over.push(e.id + e.ariaLabel + ": " + r.right); }
			return over;
		})()`); len(over) > 0 {
			t.Errorf("%s: wider than the window: %q", when, over)
		}
	}
	fits("empty")
	p.say(long)
	p.answered()
	fits("with an answer")
	for _, side := range []struct{ toggle, panel, close string }{
		{"#sidebar-toggle", "#sidebar", "#sidebar-close"}, {"#settings-toggle", "#settings", "#settings .panel-close"}, {"#experts-toggle", "#experts", "#experts .panel-close"},
	} {
		p.click(side.toggle)
		p.do(chromedp.WaitVisible(chromedp.CSS(side.panel)))
		fits(side.panel)
		if in := eval[bool](p, fmt.Sprintf(`document.querySelector(%q).contains(document.activeElement) && document.querySelector("#main").inert`, side.panel)); !in {
			t.Errorf("%s: the focus is not in it", side.panel)
		}
		p.click(side.close)
		p.until(fmt.Sprintf(`!document.querySelector("#main").inert && document.querySelector(%q).closest("[hidden]")`, side.panel))
		if back := eval[bool](p, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, side.toggle)); !back {
			t.Errorf("%s: the focus does not come back", side.panel)
		}
	}
	// The keyboard has no Shift+Enter: a message gets lines, written or edited.
	for _, box := range []string{"#input", ".editor textarea"} {
		if box != "#input" {
			p.click(`.message.user [aria-label="Edit"]`)
			p.fill(box, "")
		}
		p.do(chromedp.SendKeys(chromedp.CSS(box), "a"), chromedp.KeyEvent(kb.Enter), chromedp.SendKeys(chromedp.CSS(box), "b"))
		if got := eval[string](p, fmt.Sprintf(`document.querySelector(%q).value`, box)); got != "a\nb" {
			t.Errorf("%s: Enter makes %q", box, got)
		}
	}
	p.click(".editor button:not(.primary)")
	p.click("#sidebar-toggle")
	p.do(chromedp.KeyEvent(kb.Escape))
	p.until(`document.querySelector("#sidebar").hidden`)
	p.click("#sidebar-toggle")
	p.menu("Delete")
	p.do(chromedp.WaitVisible(chromedp.CSS("dialog")))
	if over := eval[int](p, `document.querySelector("dialog").scrollWidth - document.querySelector("dialog").clientWidth`); over > 0 {
		t.Errorf("a long title is %d pixels wider than the dialog", over)
	}
	p.do(chromedp.KeyEvent(kb.Escape))
	p.click("#sidebar-close")
	if small := eval[[]string](p, `[...document.querySelectorAll("#main button")].filter((b) => b.offsetWidth > 0 && (b.offsetWidth < 32 || b.offsetHeight < 32)).map((b) => b.ariaLabel)`); len(small) > 0 {
		t.Errorf("too small for fingers: %q", small)
	}
}

// contrast returns texts that are hard to read on their ground: those below 4.5:1.
const contrast = `(() => {
	const parse = (c) => { const v = c.match(/[\d.]+/g).map(Number); if (c.startsWith("color(srgb")) for (let i = 0; i < 3; i++) v[i] *= 255; return v.length < 4 ? [...v, 1] : v; };
	const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
	const light = (c) => { const l = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
	const groundOf = (e) => { const layers = []; for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor)); return layers.reverse().reduce((g, l) => over(l, g), [255, 255, 255]); };
	const opacityOf = (e) => { let o = 1; for (; e; e = e.parentElement) o *= getComputedStyle(e).opacity; return o; };
	const bad = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = walk.nextNode()); ) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.checkVisibility({ visibilityProperty: true }) || e.closest(".sr-only, .skip, :disabled, noscript, option, [inert]")) continue;
		const ground = groundOf(e), c = parse(getComputedStyle(e).color);
		c[3] *= opacityOf(e);
		const a = light(over(c, ground)), b = light(ground);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(ratio.toFixed(2) + " " + n.textContent.trim().slice(0, 30) + " (" + e.className + ")");
	}
	return bad;
})()`

// Text can be read in both themes, wherever it stands.
func TestContrast(t *testing.T) {
	for _, dark := range []bool{false, true} {
		p := open(t, options{dark: dark, size: desktop, wrap: script(func(r *http.Request, send func(any)) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"fail"`) {
				send(map[string]any{"error": map[string]any{"message": "it failed"}})
				return
			}
			send(delta(map[string]any{"reasoning_content": "Let me think."}, nil))
			send(delta(map[string]any{"content": rich}, nil))
			send(delta(map[string]any{}, "stop"))
		})})
		look := func(when string) {
			t.Helper()
			if bad := eval[[]string](p, contrast); len(bad) > 0 {
				t.Errorf("dark %v, %s: %q", dark, when, bad)
			}
		}
		look("empty")
		p.say("Write")
		p.answered()
		eval[bool](p, `(document.querySelector("details.reasoning").open = true)`)
		look("with an answer")
		p.say("fail")
		p.answered()
		look("with an error")
		p.click("#settings-toggle")
		look("settings")
		p.click("#help")
		p.do(chromedp.WaitVisible(chromedp.CSS("dialog")))
		look("shortcuts")
	}
}

// Everything that can be used has a name, headings and regions are there, and Tab goes through all of it in order, where it can be seen.
func TestAccessibility(t *testing.T) {
	p := open(t, options{size: desktop, wrap: says(rich)})
	p.say("Write")
	p.answered()
	p.click("#settings-toggle")
	tree := call(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	roles := map[string]int{}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := strings.Trim(string(node.Role.Value), `"`)
		name := ""
		if node.Name != nil {
			name = strings.Trim(string(node.Name.Value), `"`)
		}
		roles[role]++
		switch role {
		case "button", "textbox", "searchbox", "combobox", "spinbutton", "link", "article", "dialog", "region", "navigation", "complementary", "img", "image":
			if strings.TrimSpace(name) == "" {
				t.Errorf("a %s has no name: %s", role, node.NodeID)
			}
		}
	}
	for role, n := range map[string]int{"main": 1, "complementary": 2, "navigation": 1, "article": 2, "combobox": 1, "spinbutton": 7, "heading": 4} {
		if roles[role] < n {
			t.Errorf("there are %d of role %s, want %d: %v", roles[role], role, n, roles)
		}
	}

	eval[bool](p, `(document.querySelector(".skip").focus(), true)`)
	var order []string
	for range 60 {
		p.do(chromedp.KeyEvent(kb.Tab))
		at := eval[struct {
			Name, Outline string
			Seen          bool
		}](p, `(() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e), box = e.closest("#composer") ?? e;
			return {name: e === document.body ? "BODY" : e.id || e.ariaLabel || e.innerText || e.nodeName, outline: s.outlineStyle === "none" ? getComputedStyle(box).boxShadow : s.outlineStyle, seen: e === document.body || r.width > 0 && r.bottom > 0 && r.top < innerHeight}; })()`)
		if at.Name == "BODY" || len(order) > 0 && at.Name == order[0] {
			break
		}
		if order = append(order, at.Name); !at.Seen || at.Outline == "none" {
			t.Errorf("the focus cannot be seen on %q: outline %s, seen %v", at.Name, at.Outline, at.Seen)
		}
	}
	for _, pair := range [][2]string{{"new-chat", "search"}, {"search", "import"}, {"help", "sidebar-toggle"}, {"model", "theme"}, {"scroller", "Copy code"}, {"Copy code", "input"}, {"input", "p-system"}, {"p-system", "p-seed"}} {
		a, b := index(order, pair[0]), index(order, pair[1])
		if a < 0 || b < a {
			t.Errorf("Tab does not go from %s to %s: %q", pair[0], pair[1], order)
		}
	}

	// What comes is said, block by block, and that it has come.
	if said := p.text("#announce"); !strings.Contains(said, "Here is a plan") || !strings.Contains(said, "Answer finished.") {
		t.Errorf("a screen reader says %q", said)
	}
}

func index(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

// The button that goes to the newest message is there while that is out of sight, and leaves the focus in the input, clicked or not.
func TestGoToEnd(t *testing.T) {
	p := open(t, options{size: phone, wrap: says(strings.Repeat("A line.\n\n", 60))})
	p.say("Write")
	p.answered()
	up := func() {
		t.Helper()
		eval[bool](p, `(document.querySelector("#scroller").scrollTop = 0, true)`)
		p.until(`!document.querySelector("#to-end").hidden`)
	}
	atEnd := `document.querySelector("#to-end").hidden && document.activeElement.id === "input"`

	up()
	p.click("#to-end")
	p.until(atEnd)
	up()
	eval[bool](p, `(document.querySelector("#to-end").focus(), document.querySelector("#scroller").scrollTop = 1e6, true)`)
	p.until(atEnd)
}

// Keys do what the list of shortcuts says.
func TestShortcuts(t *testing.T) {
	p := open(t, options{size: desktop, wrap: says("Well.")})
	key := func(k string, modifiers ...chromedp.Modifier) {
		p.do(chromedp.KeyEvent(k, chromedp.KeyModifiers(modifiers...)))
	}
	key("e", chromedp.ModifierCtrl)
	p.until(`document.querySelector("#panel").hidden`)
	key("e", chromedp.ModifierCtrl)
	p.until(`!document.querySelector("#experts").hidden`)
	key(",", chromedp.ModifierCtrl)
	p.until(`!document.querySelector("#settings").hidden && document.activeElement.id === "p-system"`)
	key("b", chromedp.ModifierCtrl)
	p.until(`document.querySelector("#sidebar").hidden`)
	key("b", chromedp.ModifierCtrl)
	eval[bool](p, `(document.querySelector("#scroller").focus(), true)`)
	key("?")
	p.until(`document.querySelectorAll("dialog dt").length >= 12`)
	key(kb.Escape)
	p.until(`!document.querySelector("dialog")`)
	key("/")
	p.until(`document.activeElement.id === "input"`)
	p.say("One")
	p.answered()
	key(kb.ArrowUp)
	p.until(`document.activeElement.closest(".editor")`)
	key(kb.Escape)
	p.until(`!document.querySelector(".editor")`)
}

// Each paragraph is written from the side from which its language is read; code is always written from the left.
func TestRightToLeft(t *testing.T) {
	p := open(t, options{wrap: says("שלום עולם:\n\n- אחד\n\nEnglish\n\n```\nשלום\n```\n")})
	p.say("مرحبا!")
	p.answered()
	got := eval[[]string](p, `[".message.user .body", ".assistant .block p", ".assistant li", ".assistant .block:nth-child(3) p", ".assistant pre", "#conversations .title"].map((s) => getComputedStyle(document.querySelector(s)).direction)`)
	if want := "[rtl rtl rtl ltr ltr rtl]"; fmt.Sprint(got) != want {
		t.Errorf("directions are %v, want %s", got, want)
	}
}

// An answer's markdown is shown as it is meant, and nothing of it is lost.
func TestMarkdown(t *testing.T) {
	var text string
	p := open(t, options{wrap: script(func(_ *http.Request, send func(any)) {
		for _, part := range strings.SplitAfter(text, " ") { // as it comes: what is not complete yet is drawn, too
			send(delta(map[string]any{"content": part}, nil))
		}
		send(delta(map[string]any{}, "stop"))
	})})
	for _, tt := range []struct{ text, js, want string }{
		{"3. three\n4. four", `query("ol").start`, "3"},
		{"|a|b|c|\n|--:|:-:|---|\n|1|2|3|", `[...body.querySelectorAll("th, td")].map((e) => getComputedStyle(e).textAlign).join(" ")`, "right center start right center start"},
		{"It is so.[^1] And so.[^b]\n\n[^1]: The first note.\n[^b]: The second\n\n[the link][x]\n\n[x]: https://example.org/", `body.innerText + query("a").href`,
			"It is so.[^1] And so.[^b]\n\n[^1]: The first note.\n[^b]: The second\n\nthe linkhttps://example.org/"},
		{`Where \(a * b * c\), \[x_1\{y\}\] and $$p * q * r$$ stand, [brackets] and $5 are *text*, as \* is.`, `body.innerText + query("em").innerText`,
			`Where \(a * b * c\), \[x_1\{y\}\] and $$p * q * r$$ stand, [brackets] and $5 are text, as * is.text`},
		{"So:\n\\[\na \\\\\n- b\n\\]\nand\n\n$$\nc <b>d</b>\n= e\n$$\n\n1. In a list:\n   $$\n   - f\n   $$\n\nEnd `\\(g\\)`", `body.innerText`,
			"So:\n\n\\[\na \\\\\n- b\n\\]\n\nand\n\n$$\nc <b>d</b>\n= e\n$$\n\nIn a list:\n\n$$\n- f\n$$\n\nEnd \\(g\\)"},
	} {
		text = tt.text
		p.click("#new-chat")
		p.say("Write")
		p.answered()
		if got := eval[string](p, `((body, query) => String(`+tt.js+`).trim())(document.querySelector(".message:last-child .body"), (s) => document.querySelector(".message:last-child .body " + s))`); got != tt.want {
			t.Errorf("%q is shown as\n%q, want\n%q", tt.text, got, tt.want)
		}
	}
}

// On paper there is the whole conversation, and nothing else.
func TestPrint(t *testing.T) {
	p := open(t, options{wrap: says(strings.Repeat("A line.\n\n", 80))})
	p.say("Write")
	p.answered()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if seen := eval[string](p, `["sidebar", "composer"].filter((id) => document.getElementById(id).checkVisibility()).join()`); seen != "" {
		t.Errorf("on paper there is %s", seen)
	}
	if cut := eval[int](p, `document.querySelector("#messages").scrollHeight - document.documentElement.scrollHeight`); cut > 0 {
		t.Errorf("%d pixels of the messages are cut off", cut)
	}
}

// Where the system chooses the colours, those of the experts still tell them apart, and the focus is seen.
func TestForcedColors(t *testing.T) {
	p := open(t, options{size: desktop})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}})
	p.do(chromedp.Focus(chromedp.CSS("#input")))
	got := eval[[]bool](p, `(() => {
		const ground = (s) => getComputedStyle(document.querySelector(s)).backgroundColor;
		return [ground(".legend .in-memory") !== ground(".legend .at-work"), getComputedStyle(document.querySelector("#composer")).outlineStyle === "solid"];
	})()`)
	if !got[0] || !got[1] {
		t.Errorf("colours differ: %v; the focus is seen: %v", got[0], got[1])
	}
}

// What is nested deeper than a browser can follow is shown as text, and beginnings of formulas do not hold up the page: small models repeat themselves.
func TestNestedTooDeep(t *testing.T) {
	i, texts := 0, []string{strings.Repeat("> ", 4000), strings.Repeat("- ", 4000), strings.Repeat("<details>", 3000), strings.Repeat("[", 9000), strings.Repeat("**a ", 3000),
		strings.Repeat(`\( `, 20_000)}
	p := open(t, options{wrap: script(func(_ *http.Request, send func(any)) {
		send(delta(map[string]any{"content": texts[i] + "x\n\nEnd"}, "stop"))
	})})
	for ; i < len(texts); i++ {
		p.say("Write")
		p.until(fmt.Sprintf(`document.querySelectorAll(".message").length === %d`, 2*i+2))
		p.answered()
		if got := p.text(".message:last-child .body"); !strings.HasSuffix(strings.TrimSpace(got), "End") {
			t.Errorf("%d: the answer ends with %q", i, got[max(0, len(got)-60):])
		}
	}
}
