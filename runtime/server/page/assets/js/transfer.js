// Conversations as JSON files.

import { create, newId, titleOf } from "./conversation.js";

const format = "st-conversations";

/** exported returns the text of a file with conversations. */
export function exported(conversations) {
	return JSON.stringify({ format, version: 1, exported: new Date().toISOString(), conversations }, null, "\t");
}

/** imported returns the conversations of a file's text: one that exported wrote, or {"messages": [{"role", "content"}]} as APIs have it. Each gets a new
 * id, so that nothing is replaced. It throws an Error that says what is wrong. */
export function imported(text) {
	let data;
	try {
		data = JSON.parse(text);
	} catch (e) {
		throw new Error(`it is not JSON: ${e.message}`);
	}
	if (data?.format === format) {
		if (data.version !== 1) throw new Error(`its version is ${data.version}; this page reads version 1`);
		if (!Array.isArray(data.conversations)) throw new Error("it has no list of conversations");
		return data.conversations.map(conversation);
	}
	const messages = Array.isArray(data) ? data : data?.messages;
	if (Array.isArray(messages)) return [fromMessages(messages)];
	throw new Error("it has no conversations of this page, and no list of messages");
}

const text = (v, otherwise = "") => (typeof v === "string" ? v : otherwise);
const time = (v) => (Number.isFinite(v) ? v : Date.now());

// Nothing that a file says is taken over unseen: other fields are left out, and a tree must be one.
function conversation(data, index) {
	const where = `conversation ${index + 1}`;
	if (!Array.isArray(data?.messages)) throw new Error(`${where} has no messages`);
	const seen = new Set();
	const messages = data.messages.map((m, i) => {
		const at = `${where}, message ${i + 1}`;
		if (m?.role !== "user" && m?.role !== "assistant") throw new Error(`${at}: its role is neither user nor assistant`);
		if (typeof m.content !== "string") throw new Error(`${at} has no text`);
		if (typeof m.id !== "string" || seen.has(m.id)) throw new Error(`${at} has no id of its own`);
		if (m.parent !== null && !seen.has(m.parent)) throw new Error(`${at} follows a message that does not come before it`);
		seen.add(m.id);
		return message(m);
	});
	const c = create({ model: text(data.model), system: text(data.system), params: params(data.params) });
	Object.assign(c, { messages, named: data.named === true, created: time(data.created), updated: time(data.updated) });
	c.leaf = seen.has(data.leaf) ? data.leaf : (messages.at(-1)?.id ?? null);
	c.title = text(data.title) || titleOf(c) || "Imported";
	return c;
}

function message(m) {
	const out = { id: m.id, parent: m.parent, role: m.role, content: m.content, created: time(m.created) };
	for (const name of ["reasoning", "model", "finish"]) if (typeof m[name] === "string") out[name] = m[name];
	if (m.stats && typeof m.stats === "object") out.stats = Object.fromEntries(Object.entries(m.stats).filter(([, v]) => Number.isFinite(v)));
	if (typeof m.error?.message === "string") out.error = { message: m.error.message };
	return out;
}

function params(p) {
	const out = {};
	for (const name of ["temperature", "top_p", "top_k", "min_p", "max_tokens", "repetition_penalty", "seed"]) if (Number.isFinite(p?.[name])) out[name] = p[name];
	if (Array.isArray(p?.stop)) out.stop = p.stop.filter((s) => typeof s === "string");
	return out;
}

function fromMessages(list) {
	const c = create();
	for (const [i, m] of list.entries()) {
		if (typeof m?.content !== "string") throw new Error(`message ${i + 1} has no text`);
		if (m.role === "system") c.system = m.content;
		else if (m.role === "user" || m.role === "assistant") {
			c.messages.push({ id: newId(), parent: c.leaf, role: m.role, content: m.content, created: Date.now() });
			c.leaf = c.messages.at(-1).id;
		} else throw new Error(`message ${i + 1}: its role is not system, user or assistant`);
	}
	if (c.messages.length === 0) throw new Error("it has no messages");
	c.title = titleOf(c) || "Imported";
	return c;
}

/** download has the browser save a text as a file. */
export function download(name, content) {
	const url = URL.createObjectURL(new Blob([content], { type: "application/json" }));
	const a = Object.assign(document.createElement("a"), { href: url, download: name });
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
