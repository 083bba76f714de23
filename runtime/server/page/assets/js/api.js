// The server's API: keys, errors, and streams.

const keyName = "st.key";

/** key is the API key that the server asks for; "" if it asks for none. */
export const key = {
	get() {
		try {
			return localStorage.getItem(keyName) ?? this.memory ?? "";
		} catch {
			return this.memory ?? "";
		}
	},
	set(value) {
		this.memory = value;
		try {
			if (value) localStorage.setItem(keyName, value);
			else localStorage.removeItem(keyName);
		} catch {
			// It is kept until the page is closed.
		}
	},
};

/** ApiError is an answer that says why there is none. status is HTTP's; 0: the server was not reached, or the connection ended. */
export class ApiError extends Error {
	constructor(message, { status = 0, code = "", retryAfter = 0 } = {}) {
		super(message);
		Object.assign(this, { status, code, retryAfter });
	}
}

// utf8 returns a text as a header may have it: each byte of its UTF-8 a character.
const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text));

/** request returns the response to a request, which is a POST if there is a body. A path begins where the page is, which a proxy may have below a prefix. Any status but 200 is thrown as an ApiError. */
export async function request(path, { body, signal } = {}) {
	const headers = {};
	if (body !== undefined) headers["Content-Type"] = "application/json";
	if (key.get()) headers.Authorization = `Bearer ${utf8(key.get())}`;
	let response;
	try {
		response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal, body: body && JSON.stringify(body) });
	} catch (e) {
		if (e.name === "AbortError") throw e;
		throw new ApiError("The server cannot be reached. Is it still running?", { code: "unreachable" });
	}
	if (response.ok) return response;
	throw await errorOf(response);
}

// errorOf reads an error in the form of OpenAI's API or of Ollama's.
async function errorOf(response) {
	let message = "", code = "";
	try {
		const { error } = await response.json();
		message = typeof error === "string" ? error : error.message;
		code = error.code ?? "";
	} catch {
		// Something between here and the server answered.
	}
	const retryAfter = Number(response.headers.get("Retry-After")) || 0;
	return new ApiError(message || `The server answered with status ${response.status}.`, { status: response.status, code, retryAfter });
}

/** events yields the server-sent events of a response as {event, data}. A connection that ends badly is thrown as an ApiError. */
export async function* events(response) {
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let buffer = "", event = "", data = "";
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			buffer += value;
			for (let end; (end = buffer.indexOf("\n")) >= 0; ) {
				const line = buffer.slice(0, end).replace(/\r$/, "");
				buffer = buffer.slice(end + 1);
				if (line === "") {
					if (data) yield { event, data };
					event = data = "";
				} else if (line.startsWith("event:")) event = line.slice(6).trim();
				else if (line.startsWith("data:")) data += line.slice(5).trimStart();
			}
		}
	} catch (e) {
		if (e.name === "AbortError") throw e;
		throw new ApiError("The connection to the server was lost.", { code: "cut" });
	} finally {
		reader.cancel().catch(() => {});
	}
}

/** chat yields parts of an answer: {text}, {reasoning}, {finish} and {usage}, as they come. */
export async function* chat(body, signal) {
	const response = await request("v1/chat/completions", { body: { ...body, stream: true, stream_options: { include_usage: true } }, signal });
	let finished = false;
	for await (const { data } of events(response)) {
		if (data === "[DONE]") return;
		const chunk = JSON.parse(data);
		if (chunk.error) throw new ApiError(chunk.error.message, { status: 200, code: chunk.error.code ?? "" });
		const choice = chunk.choices?.[0];
		const delta = choice?.delta ?? {};
		const reasoning = delta.reasoning_content ?? delta.reasoning;
		if (reasoning) yield { reasoning };
		if (delta.content) yield { text: delta.content };
		if (choice?.finish_reason) {
			finished = true;
			yield { finish: choice.finish_reason };
		}
		if (chunk.usage) yield { usage: chunk.usage };
	}
	if (!finished) throw new ApiError("The connection ended before the answer did.", { code: "cut" });
}

/** models returns the names of the models that are served. */
export async function models() {
	const { data } = await (await request("v1/models")).json();
	return data.map((m) => m.id);
}

/** defaults returns what a model samples with if a request does not say, by parameter. */
export async function defaults(model) {
	const { parameters = "" } = await (await request("api/show", { body: { model } })).json();
	const all = Object.fromEntries(parameters.split("\n").map((line) => line.trim().split(/\s+/, 2)));
	if (all.repeat_penalty) all.repetition_penalty = all.repeat_penalty;
	return all;
}
