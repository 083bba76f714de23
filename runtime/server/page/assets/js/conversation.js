// A conversation as data. Messages are a tree: an answer that is made again, or a message that is edited, is a sibling of the first one. The path that
// is shown ends at leaf.
//
//	{id, title, named, created, updated, model, system, params, leaf, messages: [{id, parent, role, content, …}]}
//
// An assistant's message may have reasoning, model, stats {tokens, speed, first, prompt, cached}, finish ("stop", "length", "stopped": by the person,
// "cut": it did not come to its end) and error {message, status, code}.

/** newId returns a name that nothing else has. */
export function newId() {
	return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** create returns an empty conversation with the settings of another. */
export function create({ model = "", system = "", params = {} } = {}) {
	const now = Date.now();
	return { id: newId(), title: "", named: false, created: now, updated: now, model, system, params: { ...params }, leaf: null, messages: [] };
}

// own are the messages that this tab has written: another tab has no newer form of them.
const own = new WeakSet();

/** write changes a message. */
export function write(m, fields) {
	own.add(m);
	return Object.assign(m, fields);
}

/** takeIn makes a conversation have what other tabs have written into it, as it is kept. */
export function takeIn(c, kept) {
	const theirs = byId(kept), ids = byId(c);
	c.messages = c.messages.map((m) => (own.has(m) ? m : (theirs.get(m.id) ?? m))).concat(kept.messages.filter((m) => !ids.has(m.id)));
}

const byId = (c) => new Map(c.messages.map((m) => [m.id, m]));

/** path returns the messages that are shown, first to last. */
export function path(c) {
	const all = byId(c), list = [];
	for (let m = all.get(c.leaf); m; m = all.get(m.parent)) list.push(m);
	return list.reverse();
}

/** add appends a message behind parent and shows it. */
export function add(c, parent, message) {
	const m = write({ id: newId(), parent, created: Date.now() }, message);
	c.messages.push(m);
	c.leaf = m.id;
	return m;
}

/** siblings returns the versions of a message, itself among them. */
export function siblings(c, m) {
	return c.messages.filter((other) => other.parent === m.parent && other.role === m.role);
}

/** show makes the path go through a message, and on along what was written last. */
export function show(c, m) {
	for (let next = m; next; next = c.messages.findLast((other) => other.parent === next.id)) c.leaf = next.id;
}

/** titleOf returns a title: the first words that were said. */
export function titleOf(c) {
	const first = c.messages.find((m) => m.role === "user")?.content.trim().split("\n", 1)[0] ?? "";
	const letters = [...first.slice(0, 200)]; // a pair of surrogates is one
	return letters.length > 60 ? letters.slice(0, 57).join("").trimEnd() + "…" : first;
}

/** requestOf returns the body of a request for an answer that follows parent. Messages that no answer parts are one: the templates of some models, such as
 * Gemma's, refuse two of a person in a row. */
export function requestOf(c, parent) {
	const messages = [];
	for (const { role, content } of path({ messages: c.messages, leaf: parent })) {
		if (content === "") continue;
		if (messages.at(-1)?.role === role) messages.at(-1).content += `\n\n${content}`;
		else messages.push({ role, content });
	}
	if (c.system.trim() !== "") messages.unshift({ role: "system", content: c.system });
	return { model: c.model, messages, ...c.params };
}
