// Questions, the API key, and the list of shortcuts: modal dialogs, which keep the focus and close with Esc.

import { h, icon, isEnter } from "./dom.js";
import { key } from "./api.js";

// show opens a dialog, and returns what its form was closed with: the value of the button, or "" after Esc.
function show(title, ...content) {
	const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), ...content));
	// A form may be sent nowhere, as the page's policy has it, so its end is done by hand.
	dialog.firstChild.addEventListener("submit", (e) => {
		e.preventDefault();
		dialog.close(e.submitter?.value ?? "ok");
	});
	document.body.append(dialog);
	dialog.showModal();
	return new Promise((resolve) => {
		dialog.addEventListener("close", () => {
			dialog.remove();
			resolve(dialog.returnValue);
		});
	});
}

const buttons = (label, kind = "primary") =>
	h("div", { class: "row end" }, h("button", { type: "submit", value: "", formnovalidate: true }, "Cancel"), h("button", { type: "submit", value: "ok", class: kind }, label));

/** confirm asks whether to do something that cannot be undone. */
export async function confirm(title, text, label) {
	return (await show(title, h("p", {}, text), buttons(label, "danger"))) === "ok";
}

/** ask asks for a line of text; null: the person changed their mind. */
export async function ask(title, label, value) {
	const input = h("input", { type: "text", id: "dialog-input", maxlength: "200", required: true });
	input.value = value;
	// Enter is the form's first button, which would be Cancel.
	input.addEventListener("keydown", (e) => isEnter(e) && (e.preventDefault(), input.form.requestSubmit(input.form.querySelector("[value=ok]"))));
	const answer = show(title, h("label", { for: "dialog-input" }, label), input, buttons("Save"));
	input.select();
	return (await answer) === "ok" ? input.value : null;
}

let asking = null;

/** askKey asks for the server's API key, once for all who need it. It reports whether one was given. */
export function askKey() {
	asking ??= (async () => {
		const input = h("input", { type: "password", id: "dialog-input", autocomplete: "current-password", required: true, spellcheck: "false" });
		const text = key.get() ? "The server did not take the key that it was given." : "The server asks for a key: the one that it was started with.";
		const answer = show("API key", h("p", {}, text, " It is kept in this browser until you forget it in the settings."), h("label", { for: "dialog-input" }, "Key"), input,
			h("div", { class: "row end" }, h("button", { type: "submit", value: "ok", class: "primary" }, "Continue")));
		const ok = (await answer) === "ok" && input.value.trim() !== "";
		if (ok) key.set(input.value.trim());
		asking = null;
		return ok;
	})();
	return asking;
}

/** help lists shortcuts: {keys, what}. */
export function help(shortcuts) {
	const rows = shortcuts.map(({ keys, what }) => h("div", {}, h("dt", {}, ...keys.flatMap((k, i) => [i > 0 && " + ", h("kbd", {}, k)])), h("dd", {}, what)));
	return show("Shortcuts", h("dl", { class: "shortcuts" }, ...rows), h("div", { class: "row end" }, h("button", { type: "submit", value: "ok", class: "primary" }, icon("check"), "Close")));
}
