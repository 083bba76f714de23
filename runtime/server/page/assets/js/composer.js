// The box that messages are written in.

import { $, draw, notice, sends } from "./dom.js";

const onlyText = "Messages are text: images and other files cannot be sent. “Import” reads conversations.";

export class Composer {
	#controller;
	#drafts = new Map(); // by id of conversation; "": of the one that has not begun
	#shown = null;

	constructor(controller, messages) {
		this.#controller = controller;
		draw("send", "send");
		draw("stop", "stop");
		draw("to-end", "down");
		const input = $("input");
		$("composer").addEventListener("submit", (e) => {
			e.preventDefault();
			this.#send();
		});
		$("stop").addEventListener("click", () => {
			controller.stop();
			input.focus();
		});
		input.addEventListener("input", () => this.#fit());
		input.addEventListener("keydown", (e) => {
			if (sends(e)) {
				e.preventDefault();
				this.#send();
			} else if (e.key === "ArrowUp" && !e.altKey && !e.ctrlKey && !e.metaKey && input.value === "" && messages.editLast()) e.preventDefault();
		});
		input.addEventListener("paste", ({ clipboardData: { types } }) => types.includes("Files") && !types.includes("text/plain") && notice(onlyText));
		// A file that is dropped would take the page's place in the browser, and an answer that comes would end.
		for (const type of ["dragover", "drop"]) {
			document.addEventListener(type, (e) => {
				if (!e.dataTransfer.types.includes("Files")) return;
				e.preventDefault();
				if (type === "drop") notice(onlyText);
			});
		}
		controller.addEventListener("running", () => this.#update());
		controller.addEventListener("conversation", () => this.#change());
		controller.addEventListener("models", () => this.#update());
		this.#shown = this.#place(); // what was typed before the page was ready stays
		this.#fit();
	}

	#place() {
		const { id, messages } = this.#controller.conversation;
		return messages.length > 0 ? id : "";
	}

	#send() {
		const input = $("input"), text = input.value.trim();
		if (text === "" || this.#controller.running || this.#controller.models.length === 0) return;
		input.value = "";
		this.#fit();
		this.#controller.send(text);
	}

	/** write puts a text into the box. */
	write(text) {
		$("input").value = text;
		this.#fit();
		$("input").focus();
	}

	// change keeps what was begun in one conversation when another is shown.
	#change() {
		const place = this.#place(), input = $("input");
		if (place !== this.#shown) {
			this.#drafts.set(this.#shown, input.value);
			input.value = this.#drafts.get(place) ?? "";
			this.#shown = place;
			this.#fit();
		}
		this.#update();
	}

	#update() {
		const running = Boolean(this.#controller.running), stop = $("stop"), send = $("send");
		const focused = document.activeElement === stop || document.activeElement === send;
		stop.hidden = !running;
		send.hidden = running;
		send.disabled = $("input").value.trim() === "" || this.#controller.models.length === 0;
		if (focused) $("input").focus();
	}

	// fit makes the box as high as its text, up to a part of the window.
	#fit() {
		const input = $("input");
		input.style.height = "auto";
		input.style.height = `${Math.min(input.scrollHeight, innerHeight * 0.4)}px`;
		this.#update();
	}
}
