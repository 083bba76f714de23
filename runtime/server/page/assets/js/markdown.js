// Markdown into elements. What a model writes is not trusted: marked makes HTML of it, DOMPurify leaves what text needs of that, and nothing else comes
// into the page.

import DOMPurify from "../vendor/purify.js";
import hljs from "../vendor/highlight.js";
import { Marked } from "../vendor/marked.js";
import { copyButton, h } from "./dom.js";

const escape = (s) => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

// Colouring more than this takes longer than a frame.
const longestColoured = 50_000;

// HTML in markdown is text, but for tags that markdown has no words for.
const harmless = /^<\/?(?:b|br|del|details|em|hr|i|kbd|mark|p|q|s|samp|small|strong|sub|summary|sup|u|var)\s*\/?>$/i;

// Formulas are shown as they are written: for markdown \[ is a bracket, and what stands between stars is emphasised. Their length is bounded. start says where
// the next one may begin. It is asked once for a paragraph, which a formula cuts in two, and for every piece of a line, where it looks for the first characters
// alone: a model that repeats these does not hold up the page.
const formula = (level, pattern, start) => ({
	name: `${level} formula`,
	level,
	start,
	tokenizer(src) {
		const raw = src.match(pattern)?.[0];
		return raw && { type: `${level} formula`, raw };
	},
	renderer({ raw }) {
		const html = escape(raw.trim()).replaceAll("\n", "<br>");
		return level === "block" ? `<p>${html}</p>` : html;
	},
});
const blockFormula = String.raw` {0,3}(?:\$\$(?:[^$\n]|\n(?!\s*\n)){1,2000}\$\$|\\\[(?:.|\n(?!\s*\n)){1,2000}?\\\])[ \t]*(?:\n+|$)`;

const marked = new Marked({
	gfm: true,
	breaks: true,
	extensions: [
		formula("block", "^" + blockFormula, (src) => src.split("\n\n", 1)[0].match("\n" + blockFormula)?.index),
		formula("inline", /^(?:\$\$[^$\n]{1,500}\$\$|\\\(.{1,500}?\\\)|\\\[.{1,500}?\\\])/, (src) => src.match(/\$\$|\\[([]/)?.index),
	],
	tokenizer: {
		// A footnote is text. For marked it is the address of a link, which is not shown.
		def: (src) => (/^ {0,3}\[\^/.test(src) ? undefined : false),
		reflink: (src) => (/^!?\[\^/.test(src) ? undefined : false),
	},
	renderer: {
		code({ text, lang }) {
			const name = (lang ?? "").trim().split(/\s+/, 1)[0].toLowerCase();
			const known = hljs.getLanguage(name) && text.length <= longestColoured;
			const html = known ? hljs.highlight(text, { language: name, ignoreIllegals: true }).value : escape(text);
			return `<pre><code class="language-${escape(name || "text")}">${html}\n</code></pre>`;
		},
		html({ text }) {
			return text.replace(/<[^>]*>?/g, (tag) => (harmless.test(tag) ? tag : escape(tag)));
		},
		image({ href, text }) {
			// Images of other places would tell those that the answer was read.
			return `<a href="${escape(href)}">${escape(text || href)}</a>`;
		},
		checkbox({ checked }) {
			return checked ? "☑ " : "☐ ";
		},
	},
});

const options = {
	ALLOWED_TAGS: [
		"a", "b", "blockquote", "br", "code", "dd", "del", "details", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "mark", "ol", "p",
		"pre", "q", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul", "var",
	],
	ALLOWED_ATTR: ["href", "class", "title", "align", "start", "colspan", "rowspan", "open"],
	ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
	ADD_URI_SAFE_ATTR: ["align", "start", "colspan", "rowspan"], // which are no addresses
	RETURN_DOM_FRAGMENT: true,
};

// Classes are those of code, so that no answer can look like a part of the page.
DOMPurify.addHook("uponSanitizeAttribute", (_, attribute) => {
	if (attribute.attrName === "class" && !/^(?:(?:hljs-|language-)[\w+#.-]+ ?|function_ ?|class_ ?|inherited__ ?)+$/.test(attribute.attrValue)) attribute.keepAttr = false;
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
	if (node.nodeName === "A") {
		node.setAttribute("target", "_blank");
		node.setAttribute("rel", "noopener noreferrer nofollow");
	}
});

// render returns the elements of one block of markdown. What is nested too deep for a browser's stack is shown as it was written.
function render(token) {
	try {
		return elements(token);
	} catch (e) {
		if (!(e instanceof RangeError)) throw e;
		return h("p", {}, token.raw);
	}
}

// lex returns the blocks of a text.
function lex(text) {
	try {
		return marked.lexer(text).filter((t) => t.type !== "space" && t.type !== "def");
	} catch (e) {
		if (!(e instanceof RangeError)) throw e;
		return [{ type: "text", raw: text, text }];
	}
}

function elements(token) {
	const fragment = DOMPurify.sanitize(marked.parser([token]), options);
	for (const pre of fragment.querySelectorAll("pre")) frame(pre);
	for (const table of fragment.querySelectorAll("table")) {
		const box = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" });
		table.replaceWith(box);
		box.append(table);
	}
	return fragment;
}

// frame puts a bar with the language's name and a button above code.
function frame(pre) {
	const code = pre.querySelector("code") ?? pre;
	const language = [...code.classList].find((c) => c.startsWith("language-"))?.slice(9) ?? "text";
	const box = h("div", { class: "code", dir: "ltr" }, h("div", { class: "code-bar" }, h("span", {}, language), copyButton("Copy code", () => code.textContent.replace(/\n$/, ""))));
	pre.replaceWith(box);
	pre.tabIndex = 0;
	pre.setAttribute("aria-label", `Code, ${language}`);
	pre.setAttribute("role", "region");
	box.append(pre);
}

/** Markdown shows a text in a box, and changes what is new only: finished blocks of an answer that is still coming stay as they are. */
export class Markdown {
	#box;
	#blocks = []; // {raw, element}

	constructor(box) {
		this.#box = box;
	}

	/** show shows a text, and returns the elements of the blocks that are finished since the last call. */
	show(text, done) {
		const tokens = lex(text);
		let same = 0;
		while (same < tokens.length && this.#blocks[same]?.raw === tokens[same].raw) same++;
		for (const block of this.#blocks.splice(same)) block.element.remove();
		for (const token of tokens.slice(same)) {
			const element = h("div", { class: "block", dir: "auto" });
			element.append(render(token));
			this.#box.append(element);
			this.#blocks.push({ raw: token.raw, element, told: false });
		}
		const finished = this.#blocks.slice(0, done ? undefined : -1).filter((b) => !b.told);
		for (const b of finished) b.told = true;
		return finished.map((b) => b.element);
	}
}
