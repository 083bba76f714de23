// The settings of the conversation: system prompt and parameters.

import { $, h } from "./dom.js";
import { defaults, key } from "./api.js";

const fields = [
	{ name: "temperature", label: "Temperature", hint: "0 takes the likeliest token; more is more varied.", min: 0, max: 10, step: "any" },
	{ name: "top_p", label: "Top-p", hint: "Draw among the likeliest tokens of so much probability.", min: 0, max: 1, step: "any" },
	{ name: "top_k", label: "Top-k", hint: "Draw among so many tokens; 0: all.", min: 0, max: 1000000, step: 1 },
	{ name: "min_p", label: "Min-p", hint: "Leave out tokens below this share of the likeliest.", min: 0, max: 1, step: "any" },
	{ name: "repetition_penalty", label: "Repetition penalty", hint: "1: none. Above, tokens of the last 64 are less likely.", min: 0.01, max: 10, step: "any" },
	{ name: "max_tokens", label: "Most tokens", hint: "Of an answer, reasoning counted in.", min: 1, max: 10000000, step: 1 },
	{ name: "seed", label: "Seed", hint: "The same seed gives the same answer again.", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
];

export class Settings {
	#controller;
	#inputs = {};
	#system = h("textarea", { id: "p-system", rows: "5", placeholder: "As the model's template has it" });
	#stop = h("textarea", { id: "p-stop", rows: "2", placeholder: "None", "aria-describedby": "p-stop-hint" });
	#forget = h("button", { type: "button", onclick: () => this.#forgetKey() }, "Forget the API key");
	#defaultsOf = "";
	#shown = ""; // id of the conversation

	constructor(controller) {
		this.#controller = controller;
		const body = $("settings-body");
		body.append(
			h("p", { class: "hint" }, "They hold for this conversation, and for those that begin after it. What is empty is as the model's file says."),
			h("label", { for: "p-system" }, "System prompt"), this.#system,
			h("h3", {}, "Sampling"), h("div", { class: "fields" }, ...fields.map((f) => this.#field(f))),
			h("label", { for: "p-stop" }, "Stop texts"), this.#stop, h("p", { class: "hint", id: "p-stop-hint" }, "One a line: an answer ends before it."),
			h("div", { class: "row" }, h("button", { type: "button", onclick: () => this.#reset() }, "Back to the model's"), this.#forget));
		for (const e of [this.#system, this.#stop]) e.addEventListener("input", () => this.#save());
		for (const event of ["conversation", "models"]) controller.addEventListener(event, () => this.#show());
		this.#show();
	}

	#field({ name, label, hint, ...limits }) {
		const input = h("input", { type: "number", id: `p-${name}`, inputmode: limits.step === 1 ? "numeric" : "decimal", "aria-describedby": `p-${name}-hint`, placeholder: "default", ...limits });
		input.addEventListener("input", () => input.validity.valid && this.#save());
		input.addEventListener("change", () => input.reportValidity());
		input.addEventListener("keydown", (e) => this.#step(e));
		this.#inputs[name] = input;
		return h("div", { class: "field" }, h("label", { for: `p-${name}` }, label), input, h("p", { class: "hint", id: `p-${name}-hint` }, hint));
	}

	// step makes the arrows change a field that takes any number by a hundredth: a browser's own step would forbid what lies between.
	#step(e) {
		const input = e.target, by = { ArrowUp: 0.01, ArrowDown: -0.01 }[e.key];
		if (input.step !== "any" || !by) return;
		e.preventDefault();
		const from = Number(input.value || input.placeholder) || 0;
		input.value = +Math.min(input.max, Math.max(input.min, from + by)).toFixed(6);
		this.#save();
	}

	// save takes the fields over as they are typed: whatever is done next, nothing is lost. A number that cannot be leaves the one before.
	#save() {
		const before = this.#controller.conversation.params, params = {};
		for (const [name, input] of Object.entries(this.#inputs)) {
			if (!input.validity.valid) params[name] = before[name];
			else if (input.value !== "") params[name] = input.valueAsNumber;
		}
		const stop = this.#stop.value.split("\n").filter((s) => s !== "");
		if (stop.length > 0) params.stop = stop;
		this.#controller.change({ system: this.#system.value, params });
	}

	#reset() {
		this.#controller.change({ params: {} });
		this.#show();
	}

	#forgetKey() {
		key.set("");
		this.#forget.hidden = true;
	}

	#show() {
		const { system, params, id } = this.#controller.conversation;
		const free = (e) => e !== document.activeElement || id !== this.#shown; // what is being typed stays
		for (const [name, input] of Object.entries(this.#inputs)) if (free(input)) input.value = params[name] ?? "";
		if (free(this.#system)) this.#system.value = system;
		if (free(this.#stop)) this.#stop.value = (params.stop ?? []).join("\n");
		this.#shown = id;
		this.#forget.hidden = key.get() === "";
	}

	/** opened asks the server what the model's own parameters are, to show them where nothing else is said. */
	async opened() {
		this.#show();
		const { model } = this.#controller.conversation;
		if (model === this.#defaultsOf || !this.#controller.models.includes(model)) return;
		let all = {};
		try {
			all = await defaults(model);
			if (model !== this.#controller.conversation.model) return; // another one was chosen meanwhile
			this.#defaultsOf = model;
		} catch {
			// The fields say "default" then.
		}
		for (const [name, input] of Object.entries(this.#inputs)) input.placeholder = all[name] ?? { seed: "random", max_tokens: "no limit" }[name] ?? "default";
	}
}
