// Small helpers to make elements.

export const $ = (id) => document.getElementById(id);

/** h makes an element: h("button", {class: "icon", onclick: f, "aria-label": "Copy"}, "text", child…). False and null leave an attribute or a child out. */
export function h(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
		else e.setAttribute(name, value === true ? "" : value);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
	return e;
}

const svg = "http://www.w3.org/2000/svg";

/** icon returns a picture of icons.svg, for eyes only: what it stands for needs a label. */
export function icon(name) {
	const e = document.createElementNS(svg, "svg");
	e.setAttribute("class", "i");
	e.setAttribute("aria-hidden", "true");
	const use = document.createElementNS(svg, "use");
	use.setAttribute("href", `page/icons.svg#${name}`);
	e.append(use);
	return e;
}

/** iconButton returns a button with a picture. Its label is what a screen reader says and what a pointer shows. */
export function iconButton(name, label, onclick, attributes = {}) {
	return h("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** draw puts a picture before the text of a button of index.html, and shows its label to pointers. */
export function draw(id, name) {
	const b = $(id);
	b.prepend(icon(name));
	if (b.ariaLabel) b.title = b.ariaLabel;
	return b;
}

/** copyText copies to the clipboard. Pages that do not come by HTTPS or from this machine have none, and others may have no rights: they copy a selection. */
export async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		return;
	} catch {
		// A selection may still be copied.
	}
	const area = h("textarea", { class: "sr-only", readonly: true }), focused = document.activeElement;
	area.value = text;
	document.body.append(area);
	area.select();
	const ok = document.execCommand("copy");
	area.remove();
	focused?.focus();
	if (!ok) throw new Error("the browser does not let the page copy");
}

/** copyButton returns a button that copies what text() returns, and says so. */
export function copyButton(label, text) {
	const b = iconButton("copy", label, async () => {
		let done = "Copied";
		try {
			await copyText(text());
		} catch {
			done = "Copying failed";
		}
		b.replaceChildren(icon(done === "Copied" ? "check" : "close"));
		b.setAttribute("aria-label", done);
		b.title = done;
		clearTimeout(b.reset);
		b.reset = setTimeout(() => {
			b.replaceChildren(icon("copy"));
			b.setAttribute("aria-label", label);
			b.title = label;
		}, 1600);
	});
	return b;
}

/** isEnter reports whether a key is Enter, and not one that ends a composition of an input method. Safari tells of that by the code alone. */
export const isEnter = (e) => e.key === "Enter" && !e.isComposing && e.keyCode !== 229;

/** sends reports whether a key sends what is written. Keyboards of phones have no Shift+Enter: there Enter makes a line, and a button sends. */
export function sends(e) {
	return isEnter(e) && !e.shiftKey && (e.ctrlKey || e.metaKey || !matchMedia("(pointer: coarse)").matches);
}

/** announce has screen readers say a text when they have finished what they say. */
export function announce(text) {
	const box = $("announce");
	box.append(h("p", {}, text));
	while (box.children.length > 20) box.firstChild.remove();
}

/** notice shows a message across the page until it is closed; "" hides it. */
export function notice(text) {
	const box = $("notice");
	box.hidden = text === "";
	box.replaceChildren(text, iconButton("close", "Close the message", () => notice("")));
}

/** number writes a number for people: three digits that matter. */
export function number(x) {
	if (x === 0) return "0";
	if (x >= 100) return Math.round(x).toLocaleString("en");
	return x >= 10 ? x.toFixed(1) : x.toFixed(2);
}

/** bytes writes a size, as the program does: binary units. */
export function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
	return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[i];
}
