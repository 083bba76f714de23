// Conversations in the browser's IndexedDB: heads, which the list needs, apart from contents, which may be large. A browser that has none, or forbids
// it, keeps them until the page is closed.
//
// A page that is closed has no time for IndexedDB: what has come of an answer by then, its rest, goes to the local storage, and to the conversation when
// that is read next. Several tabs may leave rests of one conversation.

import { takeIn } from "./conversation.js";

const heads = "heads", contents = "contents";

const promise = (request) =>
	new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});

function openDatabase() {
	const request = indexedDB.open("st", 1);
	request.onupgradeneeded = () => {
		request.result.createObjectStore(heads, { keyPath: "id" });
		request.result.createObjectStore(contents, { keyPath: "id" });
	};
	return promise(request);
}

const restOf = (id, message = "") => `rest.${id}.${message}`;

// rests returns the names of the settings that are rests of a conversation's answers.
const rests = (id) => settings(restOf(id));

// whole puts the rests of answers into their conversation, unless more of them was kept there since.
function whole(c) {
	const size = ({ content, reasoning = "" }) => content.length + reasoning.length;
	for (const name of c ? rests(c.id) : []) {
		const rest = setting(name, {}), m = c.messages.find((m) => m.id === rest.id);
		if (m?.finish === "cut" && size(m) < size(rest)) Object.assign(m, rest);
	}
	return c;
}

const headOf = ({ id, title, created, updated }) => ({ id, title, created, updated });

/** Store keeps conversations. Other tabs of the page are told of changes, and this one of theirs. */
export class Store {
	/** changed is called with the id of a conversation that another tab has changed or removed. */
	changed = () => {};
	/** lost is called when conversations do not outlive the page, once. */
	lost = () => {};
	#db = null;
	#memory = new Map();
	#channel = null;

	async open() {
		try {
			this.#db = await openDatabase();
			this.#db.onversionchange = () => this.#db?.close();
		} catch (e) {
			this.#lose(e);
		}
		if (typeof BroadcastChannel !== "undefined") {
			this.#channel = new BroadcastChannel("st.conversations");
			this.#channel.onmessage = (e) => this.#db && this.changed(e.data); // what they keep is not seen without a database
		}
	}

	// lose goes on without a database that cannot be used.
	#lose(e) {
		this.#db = null;
		console.warn("conversations are not kept:", e);
		this.lost();
	}

	/** list returns the heads, changed last first. */
	async list() {
		let kept = [];
		try {
			if (this.#db) kept = await promise(this.#db.transaction(heads).objectStore(heads).getAll());
		} catch (e) {
			if (this.#db) this.#lose(e); // lists may be asked for at the same time
		}
		const all = [...kept.filter((c) => !this.#memory.has(c.id)), ...[...this.#memory.values()].map(headOf)];
		return all.sort((a, b) => b.updated - a.updated);
	}

	/** get returns a conversation; undefined if it is not there. It throws if the browser cannot read it. */
	async get(id) {
		if (!this.#db || this.#memory.has(id)) return structuredClone(this.#memory.get(id));
		const t = this.#db.transaction([heads, contents]);
		const c = await promise(t.objectStore(contents).get(id));
		if (!c && (await promise(t.objectStore(heads).getKey(id)))) throw new Error("its messages are gone.");
		return whole(c);
	}

	/** leave keeps a message of a conversation at once, since the page may be closed. */
	leave(id, message) {
		if (this.#db && !this.#memory.has(id)) keep(restOf(id, message.id), message);
	}

	/** put keeps conversations: all of them or, if there is no room, none. A message that another tab has added to one is added here, too. */
	async put(...list) {
		if (this.#db) {
			const taken = [];
			await this.#write((h, c, then) => {
				for (const conversation of list) {
					then(c.get(conversation.id), (kept) => {
						taken.push(...rests(conversation.id));
						if (kept) takeIn(conversation, whole(kept));
						h.put(headOf(conversation));
						c.put(conversation);
					});
				}
			});
			for (const { id } of list) this.#memory.delete(id);
			for (const name of taken) keep(name, null);
		} else for (const conversation of list) this.hold(conversation);
		for (const { id } of list) this.#channel?.postMessage(id);
	}

	/** hold keeps a conversation until the page is closed. It reports whether it did not before. */
	hold(conversation) {
		const held = this.#memory.has(conversation.id);
		this.#memory.set(conversation.id, structuredClone(conversation));
		return !held;
	}

	async remove(id) {
		if (this.#db) {
			await this.#write((h, c) => {
				h.delete(id);
				c.delete(id);
			});
		}
		this.#memory.delete(id);
		for (const name of rests(id)) keep(name, null);
		this.#channel?.postMessage(id);
	}

	// write changes both stores, or none if something fails. What change asks for meanwhile belongs to it: then(request, what to do with its result).
	#write(change) {
		const t = this.#db.transaction([heads, contents], "readwrite");
		return new Promise((resolve, reject) => {
			let failure = null;
			const attempt = (f) => {
				try {
					f();
				} catch (e) {
					failure = e;
					t.abort();
				}
			};
			t.oncomplete = () => resolve();
			t.onabort = t.onerror = () => reject(failure ?? t.error ?? new Error("the browser could not keep the conversation"));
			attempt(() => change(t.objectStore(heads), t.objectStore(contents), (request, f) => (request.onsuccess = () => attempt(() => f(request.result)))));
		});
	}
}

/** storageError tells a person why a conversation was not kept. */
export function storageError(e) {
	if (e?.name === "QuotaExceededError") return "The browser's storage is full. Export conversations and delete some; this one is lost when the page is closed.";
	return `The browser could not keep the conversation: ${e?.message ?? e}`;
}

/** setting reads a setting of the page; fallback if there is none. */
export function setting(name, fallback) {
	try {
		return JSON.parse(localStorage.getItem(`st.${name}`)) ?? fallback;
	} catch {
		return fallback;
	}
}

/** settings returns the names of the settings that begin with a text. */
export function settings(beginning) {
	try {
		return Object.keys(localStorage).filter((name) => name.startsWith(`st.${beginning}`)).map((name) => name.slice("st.".length));
	} catch {
		return [];
	}
}

/** keep keeps a setting; null: it is forgotten. */
export function keep(name, value) {
	try {
		if (value === null) localStorage.removeItem(`st.${name}`);
		else localStorage.setItem(`st.${name}`, JSON.stringify(value));
	} catch {
		// It holds until the page is closed.
	}
}
