// The list of conversations.

import { $, draw, h, icon, iconButton, notice } from "./dom.js";
import { ask, confirm } from "./dialogs.js";
import { storageError } from "./store.js";
import { download, exported, imported } from "./transfer.js";

const largestFile = 64 << 20; // bytes

export class Sidebar {
	#controller;
	#heads = [];
	#opened; // is called when a conversation was chosen

	constructor(controller, opened) {
		this.#controller = controller;
		this.#opened = opened;
		draw("new-chat", "plus").addEventListener("click", () => this.begin());
		draw("import", "import").addEventListener("click", () => $("import-file").click());
		draw("export", "export").addEventListener("click", () => this.#export(`st-conversations-${new Date().toISOString().slice(0, 10)}`, this.#heads));
		$("import-file").addEventListener("change", (e) => this.#import(e.target));
		$("search").addEventListener("input", () => this.#draw());
		for (const event of ["list", "running"]) controller.addEventListener(event, () => this.load());
		controller.addEventListener("conversation", () => this.#draw());
		$("menu").addEventListener("keydown", (e) => this.#step(e));
	}

	async load() {
		this.#heads = await this.#controller.store.list();
		this.#draw();
	}

	/** begin shows an empty conversation. */
	begin() {
		this.#controller.begin();
		this.#opened();
		$("input").focus();
	}

	/** move opens the conversation before (−1) or after (1) the one that is shown, in the list. */
	move(step) {
		const at = this.#heads.findIndex((c) => c.id === this.#controller.conversation.id);
		const next = this.#heads[at < 0 ? 0 : at + step];
		if (next) this.#controller.open(next.id);
	}

	#draw() {
		const words = $("search").value.trim().toLowerCase();
		const list = this.#heads.filter((c) => c.title.toLowerCase().includes(words));
		const box = $("conversations"), top = box.scrollTop;
		const focused = box.contains(document.activeElement) ? document.activeElement.dataset : null;
		const groups = [];
		for (const c of list) {
			const name = age(c.updated);
			if (groups.at(-1)?.name !== name) groups.push({ name, items: [] });
			groups.at(-1).items.push(this.#item(c));
		}
		box.replaceChildren(...groups.map((g, i) => h("section", { "aria-labelledby": `age-${i}` }, h("h2", { id: `age-${i}` }, g.name), h("ul", {}, ...g.items))));
		if (list.length === 0) box.append(h("p", { class: "hint" }, words ? "No title has that." : "Conversations will be listed here."));
		$("export").disabled = this.#heads.length === 0;
		box.scrollTop = top;
		if (focused?.id) box.querySelector(`[data-id="${focused.id}"][data-what="${focused.what}"]`)?.focus();
	}

	#item(c) {
		const current = c.id === this.#controller.conversation.id;
		const title = c.title || "Untitled";
		return h("li", { class: current ? "current" : null },
			h("button", { type: "button", class: "title", dir: "auto", title, "data-id": c.id, "data-what": "open", "aria-current": current ? "page" : null, onclick: () => this.#open(c.id) },
				title, this.#controller.isRunning(c.id) && h("span", { class: "dot", role: "img", "aria-label": "An answer is coming" })),
			iconButton("dots", `More for ${title}`, (e) => this.#menu(e.currentTarget, c), { "data-id": c.id, "data-what": "menu", "aria-haspopup": "menu" }));
	}

	async #open(id) {
		await this.#controller.open(id);
		this.#opened();
		$("input").focus({ preventScroll: true });
	}

	#menu(button, c) {
		const menu = $("menu");
		const item = (name, label, action) => h("button", { type: "button", role: "menuitem", onclick: () => {
			menu.hidePopover();
			action();
		} }, icon(name), label);
		menu.replaceChildren(
			item("edit", "Rename", () => this.#rename(c)),
			item("export", "Export", () => this.#export(fileName(c.title), [c])),
			item("trash", "Delete", () => this.#remove(c)));
		menu.showPopover();
		const at = button.getBoundingClientRect();
		menu.style.left = `${Math.min(at.left, innerWidth - menu.offsetWidth - 8)}px`;
		menu.style.top = `${Math.min(at.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
		menu.firstChild.focus();
		menu.ontoggle = (e) => e.newState === "closed" && menu.contains(document.activeElement) && button.focus();
	}

	// step moves between a menu's items.
	#step(e) {
		const items = [...$("menu").children], at = items.indexOf(document.activeElement);
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[e.key];
		if (to === undefined) return;
		e.preventDefault();
		items.at(to % items.length).focus();
	}

	async #rename(c) {
		const title = await ask("Rename the conversation", "Title", c.title);
		if (title?.trim()) await this.#controller.rename(c.id, title.trim());
	}

	async #remove(c) {
		if (await confirm("Delete the conversation?", `“${c.title || "Untitled"}” is removed from this browser. That cannot be undone.`, "Delete")) {
			await this.#controller.remove(c.id);
			$("input").focus();
		}
	}

	async #export(name, heads) {
		const read = await Promise.allSettled(heads.map((c) => this.#controller.store.get(c.id)));
		const all = read.map((r) => r.value).filter(Boolean), failed = read.filter((r) => r.reason).length;
		if (all.length > 0) download(`${name}.json`, exported(all));
		if (failed > 0) notice(`The browser cannot read ${failed} of ${heads.length} conversations: ${failed === 1 ? "it is" : "they are"} not exported.`);
	}

	async #import(input) {
		const [file] = input.files;
		input.value = "";
		if (!file) return;
		try {
			if (file.size > largestFile) throw new Error(`it has more than ${largestFile >> 20} MiB`);
			const list = imported(await file.text());
			if (list.length === 0) throw new Error("it has no conversations");
			await this.#controller.add(list);
			this.#opened();
		} catch (e) {
			notice(`${file.name} was not imported: ${e.name === "QuotaExceededError" ? storageError(e) : e.message}.`);
		}
	}
}

// fileName returns a title as a file may be called.
const fileName = (title) => title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "conversation";

// age says when a conversation was changed, in words.
function age(time) {
	const day = new Date().setHours(0, 0, 0, 0), oneDay = 86_400_000;
	if (time >= day) return "Today";
	if (time >= day - oneDay) return "Yesterday";
	if (time >= day - 7 * oneDay) return "Last 7 days";
	if (time >= day - 30 * oneDay) return "Last 30 days";
	return "Older";
}
