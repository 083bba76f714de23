// The panel of the experts: it listens to the server while it is seen.

import { events, request } from "./api.js";
import { $, bytes, h, number } from "./dom.js";
import { Grid } from "./grid.js";

const rateWindow = 2; // seconds that rates are about
const hitWindow = 10; // seconds that the hit rate is about
const retry = 3000; // ms

const purposes = [
	["dense", "weights of all tokens"],
	["experts", "experts"],
	["kv_cache", "conversations (KV cache)"],
	["working", "computing"],
	["rest", "the program"],
];

export class Experts {
	#controller;
	#grid = new Grid($("grid"));
	#open = false;
	#abort = null;
	#listensTo = "";
	#shape = null; // the event "model"
	#work = []; // {time, …} of the last seconds
	#totals = null; // by expert: tokens since the panel opened
	#tokens = 0;
	#timer = 0;

	constructor(controller) {
		this.#controller = controller;
		for (const event of ["conversation", "models"]) controller.addEventListener(event, () => this.update());
		document.addEventListener("visibilitychange", () => this.update());
		const canvas = $("grid");
		canvas.addEventListener("pointermove", (e) => this.#hover(e.offsetX, e.offsetY));
		canvas.addEventListener("pointerleave", () => this.#hover(-1, -1));
		this.#hover(-1, -1);
	}

	/** show says whether the panel is open. */
	show(open) {
		this.#open = open;
		this.update();
	}

	/** recolor follows the theme. */
	recolor() {
		this.#grid.recolor();
	}

	/** context returns how many tokens fit in the model's context; 0: that is not known yet. */
	get context() {
		return this.#shape?.model === this.#controller.conversation.model ? this.#shape.context : 0;
	}

	/** update begins or ends to listen, as it is needed: nothing is asked of the server for what nobody sees. */
	update() {
		const { model } = this.#controller.conversation;
		const wanted = this.#open && !document.hidden && this.#controller.models.includes(model) ? model : "";
		if (wanted === this.#listensTo) return;
		this.#abort?.abort();
		this.#listensTo = wanted;
		clearInterval(this.#timer);
		if (wanted === "") return;
		this.#abort = new AbortController();
		this.#timer = setInterval(() => this.#numbers(), 500);
		this.#listen(wanted, this.#abort.signal);
	}

	async #listen(model, signal) {
		this.#note("Connecting…");
		while (!signal.aborted) {
			try {
				const response = await request(`api/experts/events?model=${encodeURIComponent(model)}`, { signal });
				for await (const { event, data } of events(response)) this.#take(event, JSON.parse(data));
			} catch (e) {
				if (signal.aborted) return;
				this.#note(e.status ? e.message : "The server is away. Waiting for it…");
				if (e.status === 404) return;
			}
			await new Promise((resolve) => setTimeout(resolve, retry));
		}
	}

	#take(event, data) {
		switch (event) {
			case "model":
				this.#begin(data);
				break;
			case "work":
				this.#took(data);
				break;
			case "memory":
				this.#memory(data);
		}
	}

	#begin(shape) {
		this.#shape = shape;
		this.#work = [];
		this.#tokens = 0;
		const { layers, experts, loaded } = shape;
		this.#totals = new Float64Array(layers.length * experts);
		const dense = layers.length === 0;
		$("x-grid").hidden = dense;
		if (!dense) {
			this.#grid.reset(layers, experts);
			$("grid").setAttribute("aria-label", `${experts} experts in each of ${layers.length} layers: layers from top to bottom, experts from left to right`);
		}
		if (dense) this.#note(`${shape.model} has no experts: every token uses all of its weights.`);
		else if (!loaded) this.#note(`${shape.model} is not loaded. It will be when it is asked something.`);
		else this.#note(`${shape.model}: each token goes to ${shape.experts_per_token} of ${experts} experts in each of ${layers.length} layers.`);
		if (!loaded) this.#memory({ budget: 0, dense: 0, experts: 0, kv_cache: 0, working: 0, mapped: 0, process: 0 });
		this.#numbers();
	}

	#took(work) {
		this.#work.push({ ...work, time: performance.now() });
		this.#tokens += work.tokens;
		for (const [at, i] of work.chosen.entries()) this.#totals[i] += work.counts[at];
		if (this.#totals.length > 0) this.#grid.work(work);
	}

	#note(text) {
		$("experts-note").textContent = text;
	}

	// numbers shows rates of the last seconds, twice a second: faster than that nobody reads.
	#numbers() {
		if (!this.#shape) return;
		const now = performance.now();
		this.#work = this.#work.filter((w) => now - w.time < hitWindow * 1000);
		const sum = (seconds, field) => this.#work.reduce((n, w) => (now - w.time < seconds * 1000 ? n + w[field] : n), 0);
		// What has just begun is not diluted with the silence before it.
		const recent = this.#work.filter((w) => now - w.time < rateWindow * 1000);
		const span = recent.length > 0 ? Math.max(0.5, (now - recent[0].time) / 1000 + Math.min(recent[0].seconds, 0.1)) : 1;
		$("x-speed").textContent = this.#shape.loaded ? number(sum(rateWindow, "tokens") / span) : "–";
		$("x-read").textContent = this.#shape.loaded ? bytes(Math.round(sum(rateWindow, "read") / span)) : "–";
		const uses = sum(hitWindow, "uses");
		if (uses > 0) $("x-hits").textContent = `${(100 * (1 - sum(hitWindow, "misses") / uses)).toFixed(1)} %`;
		else if (!this.#shape.loaded || this.#totals.length === 0) $("x-hits").textContent = "–";
		const all = this.#totals.length, residents = all > 0 ? this.#grid.residents() : null;
		$("x-resident").textContent = all === 0 || !this.#shape.loaded ? "–" : residents === null ? "file mapped" : `${residents} of ${all}`;
		$("x-grid").classList.toggle("mapped", residents === null);
		this.#busiest();
		$("grid").dataset.lit = all > 0 ? this.#grid.lit() : 0;
		$("grid").dataset.tokens = this.#tokens;
	}

	#busiest() {
		const { layers, experts } = this.#shape;
		const order = [...this.#totals.keys()].filter((i) => this.#totals[i] > 0).sort((a, b) => this.#totals[b] - this.#totals[a]).slice(0, 5);
		const items = order.map((i) => h("li", {}, h("span", {}, `layer ${layers[Math.floor(i / experts)]}, expert ${i % experts}`), h("span", {}, share(this.#totals[i], this.#tokens))));
		if (items.length === 0) items.push(h("li", { class: "hint" }, "No token has come yet."));
		$("x-busiest").replaceChildren(...items);
	}

	#hover(x, y) {
		const at = this.#grid.at(x, y);
		let text = "A row is a layer, a column an expert. Point at one to read its share.";
		if (at) {
			text = `Layer ${at.layer}, expert ${at.expert}: ${share(this.#totals[at.index], this.#tokens)} of the tokens`;
			if (at.resident !== null) text += at.resident ? ", in memory" : ", on disk";
		}
		$("x-hover").textContent = text;
	}

	#memory(m) {
		const parts = { ...m, rest: Math.max(0, m.process - m.dense - m.experts - m.kv_cache - m.working) };
		if (m.mapped > 0) parts.rest = Math.max(0, parts.rest - Math.min(parts.rest, m.mapped));
		const shown = purposes.filter(([name]) => parts[name] > 0);
		const total = Math.max(m.budget, shown.reduce((n, [name]) => n + parts[name], 0), 1);
		$("x-bar").replaceChildren(...shown.map(([name]) => {
			const e = h("span", { class: `p-${name}` });
			e.style.width = `${(100 * parts[name]) / total}%`;
			return e;
		}));
		const rows = shown.map(([name, label]) => h("div", {}, h("dt", {}, h("i", { class: `p-${name}` }), label), h("dd", {}, bytes(parts[name]))));
		if (m.mapped > 0) rows.push(h("div", {}, h("dt", {}, h("i", {}), "mapped file"), h("dd", {}, bytes(m.mapped))));
		if (m.budget > 0) rows.push(h("div", {}, h("dt", {}, h("i", {}), "bound"), h("dd", {}, bytes(m.budget))));
		$("x-nothing").hidden = rows.length > 0;
		$("x-memory").replaceChildren(...rows);
		$("x-bar").hidden = shown.length === 0;
	}
}

// share writes a part of the tokens.
const share = (n, of) => `${((100 * n) / Math.max(1, of)).toFixed(1)} %`;
