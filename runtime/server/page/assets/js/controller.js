// What people ask of the page, and the conversation that they see. It knows nothing of elements: the parts of the page listen to its events.
//
//	"conversation"   another one is shown, or its path is another
//	"message"        detail: a message of it has changed
//	"list"           the list of conversations has changed
//	"running"        an answer begins or ends
//	"models"         the models are known
//	"unauthorized"   detail: what to do once there is a key
//	"problem"        detail: a text for the person

import { chat, models } from "./api.js";
import { add, create, path, requestOf, show, siblings, titleOf, write } from "./conversation.js";
import { keep, setting, storageError } from "./store.js";

const saveEvery = 2000; // ms, while an answer comes

export class Controller extends EventTarget {
	store;
	conversation;
	models = [];
	#runs = new Map(); // by id of conversation: {conversation, message, abort}
	#latest = 0; // counts what the person has opened
	#away = false; // the server could not be reached

	constructor(store) {
		super();
		this.store = store;
		this.conversation = create(setting("defaults", {}));
		store.changed = (id) => this.#changedElsewhere(id);
		store.lost = () => this.#tell("problem", "This browser does not let the page keep conversations: they are lost when it is closed.");
	}

	#tell(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}

	/** running returns the answer that is coming in the conversation that is shown; undefined: none. */
	get running() {
		return this.#runs.get(this.conversation.id)?.message;
	}

	/** isRunning reports whether an answer comes in a conversation. */
	isRunning(id) {
		return this.#runs.has(id);
	}

	async loadModels() {
		try {
			this.models = await models();
			if (this.#away) this.#tell("problem", ""); // what was said of it is over
			this.#away = false;
		} catch (e) {
			this.#away = e.status === 0;
			this.#fail(e, () => this.loadModels());
			return;
		}
		if (this.conversation.messages.length === 0 && !this.models.includes(this.conversation.model)) this.conversation.model = this.models[0] ?? "";
		this.#tell("models");
	}

	#fail(e, again) {
		if (e.status === 401) this.#tell("unauthorized", again);
		else this.#tell("problem", e.message);
	}

	/** begin shows an empty conversation. */
	begin() {
		this.#latest++;
		this.#show(create({ ...this.conversation, model: this.models.includes(this.conversation.model) ? this.conversation.model : (this.models[0] ?? "") }));
	}

	async open(id) {
		const turn = ++this.#latest;
		const kept = this.isRunning(id) ? undefined : await this.#kept(id);
		if (turn !== this.#latest) return; // another one was opened meanwhile
		const c = this.#runs.get(id)?.conversation ?? kept; // an answer may have begun meanwhile
		if (c) this.#show(c);
		else this.begin();
	}

	// kept returns a conversation as it is kept; undefined if it is not there or cannot be read.
	async #kept(id) {
		try {
			return await this.store.get(id);
		} catch (e) {
			this.#tell("problem", `The browser cannot read the conversation: ${e.message}`);
		}
	}

	#show(c) {
		this.conversation = c;
		keep("open", c.messages.length > 0 ? c.id : null);
		this.#tell("conversation");
	}

	// changedElsewhere takes in what another tab has done. It does not come between the person and another conversation that is being opened. What cannot be read
	// stays as it is here.
	async #changedElsewhere(id) {
		const isShown = () => id === this.conversation.id && this.conversation.messages.length > 0;
		if (this.isRunning(id) || isShown()) {
			try {
				const kept = await this.store.get(id);
				if (!kept) this.#drop(id); // it was deleted there
				else if (isShown() && !this.isRunning(id)) this.#show(kept);
			} catch (e) {
				console.warn("what another tab has changed cannot be read:", e);
			}
		}
		this.#tell("list");
	}

	// drop ends what runs in a conversation that is removed, and shows another one.
	#drop(id) {
		this.#runs.get(id)?.abort.abort();
		this.#runs.delete(id);
		if (id === this.conversation.id) this.begin();
	}

	async #save(c) {
		try {
			await this.store.put(c);
		} catch (e) {
			if (this.store.hold(c)) this.#tell("problem", storageError(e)); // once: an answer that comes is saved again and again
		}
	}

	/** send appends a person's message and asks for an answer. */
	async send(text) {
		const c = this.conversation;
		if (this.isRunning(c.id)) return;
		const m = add(c, c.leaf, { role: "user", content: text });
		await this.#answer(c, m.id);
	}

	/** again asks for another answer in the place of one. One that is empty, since an error came instead, is asked for anew. */
	async again(answer) {
		const c = this.conversation;
		if (this.isRunning(c.id)) return;
		const failed = answer.error && answer.content === "" && !answer.reasoning;
		await this.#answer(c, answer.parent, failed ? answer : undefined);
	}

	/** edit puts another text beside a person's message and asks for an answer to it; an answer gets the text itself. */
	async edit(m, text) {
		const c = this.conversation;
		if (m.role === "assistant") {
			write(m, { content: text });
			await this.#save(c);
			this.#tell("conversation");
			return;
		}
		if (this.isRunning(c.id)) return;
		await this.#answer(c, add(c, m.parent, { role: "user", content: text }).id);
	}

	/** turn shows the version of a message that is so many steps away. */
	async turn(m, step) {
		const all = siblings(this.conversation, m);
		const other = all[all.indexOf(m) + step];
		if (!other || this.running) return;
		show(this.conversation, other);
		await this.#save(this.conversation);
		this.#tell("conversation");
	}

	/** change sets the model, the system prompt or parameters of the conversation, and of those that begin after it. */
	async change(settings) {
		const c = Object.assign(this.conversation, settings);
		keep("defaults", { model: c.model, system: c.system, params: c.params });
		if (c.messages.length > 0) await this.#save(c);
	}

	/** stop ends the answer that is coming. */
	stop() {
		this.#runs.get(this.conversation.id)?.abort.abort();
	}

	/** leave keeps what has come of answers: the page may be closed. Whoever closes it ends the connection, too, which is no error. */
	leave() {
		for (const { conversation, message } of this.#runs.values()) this.store.leave(conversation.id, { ...message, error: undefined });
	}

	async rename(id, title) {
		const c = this.#runs.get(id)?.conversation ?? (id === this.conversation.id ? this.conversation : await this.#kept(id));
		if (!c) return;
		Object.assign(c, { title, named: true });
		await this.#save(c);
		this.#tell("list");
	}

	async remove(id) {
		this.#drop(id);
		try {
			await this.store.remove(id);
		} catch (e) {
			this.#tell("problem", `The browser could not delete the conversation: ${e.message}`);
		}
		this.#tell("list");
	}

	/** add adds conversations. One that names no model goes on with that which is chosen. */
	async add(conversations) {
		for (const c of conversations) c.model ||= this.conversation.model;
		await this.store.put(...conversations);
		this.#tell("list");
		await this.open(conversations[0].id);
	}

	// answer asks for the message that follows parent: a new one, or m, which failed.
	async #answer(c, parent, m = add(c, parent, { role: "assistant", content: "" })) {
		const body = requestOf(c, parent);
		write(m, { model: c.model, finish: "cut", error: undefined, stats: undefined });
		const run = { conversation: c, message: m, abort: new AbortController() };
		this.#runs.set(c.id, run);
		if (!c.named) c.title = titleOf(c);
		c.updated = Date.now();
		if (c === this.conversation) keep("open", c.id);
		this.#tell("running");
		this.#tell("conversation");
		await this.#save(c);
		this.#tell("list");
		let failure;
		try {
			await this.#read(run, body);
		} catch (e) {
			failure = e;
			this.#note(m, e);
		}
		// Kept first: who sees that an answer has ended may close the page, and would lose what is not written yet.
		if (this.#runs.get(c.id) === run) await this.#save(c);
		if (this.#runs.get(c.id) !== run) return; // the conversation was removed
		this.#runs.delete(c.id);
		if (c === this.conversation) {
			this.#tell("running");
			this.#tell("message", m);
		}
		this.#tell("list");
		if (failure?.status === 401) this.#tell("unauthorized", () => c === this.conversation && this.again(m));
	}

	// note writes down how an answer came to a bad end.
	#note(m, e) {
		if (e.name === "AbortError") {
			m.finish = "stopped";
			return;
		}
		m.error = { message: e.message, status: e.status ?? 0, code: e.code ?? "" };
		if (e.retryAfter) m.error.retryAfter = e.retryAfter;
		if (!("status" in e)) console.error(e);
	}

	// read takes an answer in as it comes.
	async #read(run, body) {
		const { conversation: c, message: m } = run;
		const begin = performance.now();
		let first = 0, last = 0, pieces = 0, saved = begin;
		const measure = () => {
			m.stats = { ...m.stats, tokens: m.stats?.counted ?? pieces, first: (first - begin) / 1000 };
			if (pieces > 1 && last > first) m.stats.speed = (m.stats.tokens - 1) / ((last - first) / 1000);
		};
		for await (const part of chat(body, run.abort.signal)) {
			const now = performance.now();
			if (part.text || part.reasoning) {
				pieces++;
				first ||= now;
				last = now;
				m.content += part.text ?? "";
				if (part.reasoning) m.reasoning = (m.reasoning ?? "") + part.reasoning;
				if (part.text && m.reasoning) m.thought ??= (now - first) / 1000;
				measure();
			}
			if (part.finish) m.finish = part.finish;
			if (part.usage) {
				const { prompt_tokens: prompt, completion_tokens: counted, prompt_tokens_details: details } = part.usage;
				m.stats = { ...m.stats, counted, prompt, cached: details?.cached_tokens ?? 0 };
				if (pieces > 0) measure();
			}
			if (c === this.conversation) this.#tell("message", m);
			if (now - saved > saveEvery && this.#runs.get(c.id) === run) {
				saved = now;
				await this.#save(c);
			}
		}
	}

	/** shown returns the messages that are shown. */
	shown() {
		return path(this.conversation);
	}
}
