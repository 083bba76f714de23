// The messages of the conversation that is shown.

import { siblings } from "./conversation.js";
import { $, announce, copyButton, h, icon, iconButton, number, sends } from "./dom.js";
import { Markdown } from "./markdown.js";

/** Messages shows what the controller has. */
export class Messages {
	#controller;
	#views = new Map(); // by id
	#edited = new Map(); // by ids of conversation and message: views that are not shown, whose text is being edited
	#shown = ""; // id of their conversation
	#dirty = new Set(); // messages to be drawn in the next frame
	#sticky = true; // the end stays in sight
	#rest = 0; // ms until messages are drawn again

	constructor(controller) {
		this.#controller = controller;
		controller.addEventListener("conversation", () => this.#showAll());
		controller.addEventListener("running", () => this.#views.forEach((v) => v.draw()));
		controller.addEventListener("message", (e) => this.#later(e.detail));
		const scroller = $("scroller");
		scroller.addEventListener("scroll", () => {
			this.#sticky = atEnd(scroller);
			offerEnd(!this.#sticky);
		});
		new ResizeObserver(() => this.#follow()).observe($("messages"));
		$("to-end").addEventListener("click", () => {
			this.end();
			$("input").focus();
		});
	}

	/** end goes to the newest message. */
	end() {
		this.#sticky = true;
		this.#follow();
	}

	#follow() {
		const scroller = $("scroller");
		if (this.#sticky) scroller.scrollTop = scroller.scrollHeight;
		else offerEnd(!atEnd(scroller));
	}

	#showAll() {
		const list = this.#controller.shown();
		const { id } = this.#controller.conversation;
		for (const [m, view] of this.#views) if (view.editing) this.#edited.set(`${this.#shown} ${m}`, view);
		if (id !== this.#shown) this.#views.clear();
		this.#shown = id;
		const views = new Map();
		for (const m of list) {
			const view = this.#views.get(m.id) ?? this.#edited.get(`${id} ${m.id}`) ?? new View(this.#controller, m);
			this.#edited.delete(`${id} ${m.id}`);
			view.message = m; // read anew, if another tab has changed it
			view.draw();
			views.set(m.id, view);
		}
		const same = [...views.keys()].some((id) => this.#views.has(id));
		this.#views = views;
		const box = $("messages");
		const elements = [...views.values()].map((v) => v.element);
		for (const e of [...box.children]) if (!elements.includes(e)) e.remove();
		for (const [i, e] of elements.entries()) if (box.children[i] !== e) box.insertBefore(e, box.children[i] ?? null);
		$("empty").hidden = list.length > 0;
		if (!same || this.#controller.running) this.end();
	}

	// later draws a message in the next frame: tokens come faster than frames. A page that is not seen has no frames. A block that takes long to draw, such
	// as a table of thousands of rows, is drawn more seldom, so that the page has most of the time for the person.
	#later(m) {
		if (this.#dirty.size === 0) {
			const wait = document.hidden ? 200 : this.#rest;
			if (wait > 20) setTimeout(() => this.#drawDirty(), wait);
			else requestAnimationFrame(() => this.#drawDirty());
		}
		this.#dirty.add(m);
	}

	#drawDirty() {
		const begin = performance.now();
		for (const m of this.#dirty) this.#views.get(m.id)?.draw();
		this.#dirty.clear();
		this.#follow(); // which has the browser lay it out
		this.#rest = 3 * (performance.now() - begin);
	}

	/** editLast begins to edit what the person said last. It reports whether there is anything. */
	editLast() {
		const m = this.#controller.shown().findLast((m) => m.role === "user");
		if (!m || this.#controller.running) return false;
		this.#views.get(m.id).edit();
		return true;
	}
}

/** atEnd tells whether the newest message's end is in sight, or nearly. */
function atEnd(scroller) {
	return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
}

/** offerEnd shows or hides the button that goes to the end. Tab can scroll there and reach the button, which would take the focus with it: the input, where the button leads, gets it. */
function offerEnd(wanted) {
	const button = $("to-end");
	const focused = document.activeElement === button;
	button.hidden = !wanted;
	if (focused && !wanted) $("input").focus();
}

// View is one message.
class View {
	#controller;
	#markdown = null;
	#body = h("div", { class: "body", dir: "auto" });
	#reasoning = null;
	#error = h("div", { class: "error", role: "alert", hidden: true });
	#foot = h("div", { class: "foot" });
	#state = ""; // of the foot, which is made anew only if this changes
	#wasRunning = false;
	#editor = null; // {box, area, send, hint}, while a text is edited

	constructor(controller, message) {
		this.#controller = controller;
		this.message = message;
		const you = message.role === "user";
		this.element = h("article", { class: `message ${message.role}`, "aria-label": you ? "You" : "Answer" }, this.#body, this.#error, this.#foot);
		if (!you) this.#markdown = new Markdown(this.#body);
	}

	draw() {
		const m = this.message, running = this.#controller.running === m;
		if (this.#markdown) {
			this.#drawReasoning(running);
			const finished = this.#markdown.show(m.content, !running);
			if (running || this.#wasRunning) for (const block of finished) announce(block.textContent);
			this.element.setAttribute("aria-busy", running);
			this.element.classList.toggle("running", running);
			this.element.classList.toggle("waiting", running && m.content === "" && !m.reasoning);
			if (this.#wasRunning && !running) announce(m.error ? "" : `Answer finished. ${this.#summary()}`);
		} else if (this.#body.textContent !== m.content) this.#body.textContent = m.content;
		this.#wasRunning = running;
		this.#drawError(running);
		this.#drawFoot(running);
		this.#drawEditor();
	}

	#drawReasoning(running) {
		const { reasoning, content, thought } = this.message;
		if (!reasoning) return;
		if (!this.#reasoning) {
			const text = h("div", { class: "thoughts" });
			this.#reasoning = { summary: h("summary"), markdown: new Markdown(text) };
			this.#body.before(h("details", { class: "reasoning" }, this.#reasoning.summary, text));
		}
		const time = thought !== undefined ? ` for ${number(thought)} s` : "";
		this.#reasoning.summary.textContent = running && content === "" ? "Thinking…" : `Thought${time}`;
		this.#reasoning.markdown.show(reasoning, content !== "" || !running);
	}

	#drawError(running) {
		const { error, finish } = this.message;
		let text = "";
		if (error) text = explain(error);
		else if (!running && finish === "cut") text = "The answer is not complete: the page was closed meanwhile, or it still comes in another tab.";
		this.#error.hidden = text === "" || running;
		if (this.#error.hidden || this.#error.dataset.text === text) return;
		this.#error.dataset.text = text;
		this.#error.replaceChildren(h("p", {}, text), h("button", { type: "button", onclick: () => this.#again() }, "Try again"));
	}

	#summary() {
		const { stats: s, finish } = this.message;
		const parts = [];
		if (s?.speed) parts.push(`${number(s.speed)} tokens/s`);
		if (s?.tokens) parts.push(`${s.tokens} ${s.tokens === 1 ? "token" : "tokens"}`);
		if (s?.first) parts.push(`first after ${number(s.first)} s`);
		if (s?.prompt) parts.push(`prompt ${s.prompt}${s.cached ? `, ${s.cached} from the cache` : ""}`);
		if (finish === "length") parts.push("ended by a limit of tokens or the context");
		if (finish === "stopped") parts.push("stopped");
		return parts.join(" · ");
	}

	#drawFoot(running) {
		const m = this.message, all = siblings(this.#controller.conversation, m);
		const state = [running, Boolean(this.#controller.running), all.length, all.indexOf(m), this.#summary()].join();
		if (state === this.#state) return;
		this.#state = state;
		const focused = this.#foot.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
		const items = [];
		if (m.role === "assistant") items.push(h("span", { class: "stats" }, this.#summary()));
		if (!running) {
			if (all.length > 1) items.push(this.#versions(all));
			items.push(copyButton("Copy", () => this.message.content));
			items.push(iconButton("edit", m.role === "user" ? "Edit" : "Edit the answer", () => this.edit()));
			if (m.role === "assistant") items.push(iconButton("again", "Answer again", () => this.#again(), { disabled: Boolean(this.#controller.running) }));
		}
		this.#foot.replaceChildren(...items);
		if (focused) [...this.#foot.querySelectorAll("button")].find((b) => b.ariaLabel === focused)?.focus();
	}

	#versions(all) {
		const at = all.indexOf(this.message);
		const step = (name, label, by) =>
			iconButton(name, label, async () => {
				await this.#controller.turn(this.message, by);
				document.querySelector(`[data-version="${CSS.escape(all[at + by].id)}"] button:not(:disabled)`)?.focus();
			}, { disabled: !all[at + by] || Boolean(this.#controller.running) });
		return h("span", { class: "versions", "data-version": this.message.id }, step("left", "Version before", -1), h("span", { role: "img", "aria-label": `Version ${at + 1} of ${all.length}` }, `${at + 1}/${all.length}`), step("right", "Version after", 1));
	}

	// again asks for another answer. The button that asks goes away, and with it the focus: to the input, unless that opens the keyboard of a phone.
	#again() {
		if (!matchMedia("(pointer: coarse)").matches) $("input").focus();
		this.#controller.again(this.message);
	}

	/** editing reports whether the text is being edited. */
	get editing() {
		return this.#editor !== null;
	}

	/** edit shows a box with the text in the place of the message. */
	edit() {
		if (this.#editor) return;
		const m = this.message, you = m.role === "user";
		const area = h("textarea", { "aria-label": you ? "Your message" : "The answer", rows: Math.min(12, m.content.split("\n").length + 1) });
		area.value = m.content;
		area.addEventListener("input", () => this.#drawEditor());
		area.addEventListener("keydown", (e) => {
			if (e.key === "Escape") {
				e.stopPropagation();
				this.#endEdit();
			} else if (sends(e) && (you || e.ctrlKey || e.metaKey)) {
				e.preventDefault();
				this.#takeEdit();
			}
		});
		const send = h("button", { type: "button", class: "primary", onclick: () => this.#takeEdit() }, you ? "Send" : "Save");
		const hint = h("span", { class: "hint", role: "status" });
		const box = h("div", { class: "editor" }, area, h("div", { class: "row" }, send, h("button", { type: "button", onclick: () => this.#endEdit() }, "Cancel"), you && hint));
		this.#editor = { box, area, send, hint };
		this.#drawEditor();
		this.element.classList.add("editing");
		this.#body.before(box);
		area.focus();
	}

	// drawEditor says what an edited message waits for, if it cannot be sent.
	#drawEditor() {
		if (!this.#editor || this.message.role !== "user") return;
		const { area, send, hint } = this.#editor, running = Boolean(this.#controller.running);
		send.disabled = running || area.value.trim() === "";
		const text = running ? "An answer is coming: stop it, or wait for it, to send this." : "The first version is kept.";
		if (hint.textContent !== text) hint.textContent = text;
	}

	#takeEdit() {
		const { area, send } = this.#editor, m = this.message;
		if (send.disabled) return;
		this.#endEdit();
		if (m.role === "user") $("input").focus(); // another message takes this one's place
		if (area.value !== m.content || m.role === "user") this.#controller.edit(m, area.value);
	}

	#endEdit() {
		this.#editor.box.remove();
		this.#editor = null;
		this.element.classList.remove("editing");
		this.#foot.querySelector("button")?.focus();
	}
}

// explain says what an error means for the person.
function explain({ message, status, code, retryAfter }) {
	const when = retryAfter ? ` Try again in ${retryAfter} s.` : " Try again in a moment.";
	if (status === 401) return "The server wants another API key.";
	if (status === 429) return `The server is busy.${when}`;
	if (status === 503 && retryAfter) return `${message}${when}`;
	if (status === 404 && code === "model_not_found") return `This model is not served any more. Choose another one above. (${message})`;
	if (status === 404) return `The model was not found. Choose another one above. (${message})`;
	if (code === "context_length_exceeded") return `The conversation is too long for the model. Begin a new one, or edit an earlier message. (${message})`;
	if (code === "cut") return `${message} What had come is kept.`;
	return message;
}
