// A picture of a model's experts: a row for each layer, a cell for each expert. A cell lights up when tokens choose the expert, and cools down.

const halfLife = 380; // ms, of a cell's light
const cold = 0.02; // what is dimmer is out
const steps = 48; // of brightness

export class Grid {
	#canvas;
	#layers = []; // the model's numbers of those that have experts
	#experts = 0;
	#heat = new Float32Array(0);
	#read = this.#heat; // light of experts that came from disk
	#resident = null; // null: all are in the mapped file
	#colors = null;
	#frame = 0;
	#time = 0;
	#still = matchMedia("(prefers-reduced-motion: reduce)");

	constructor(canvas) {
		this.#canvas = canvas;
		new ResizeObserver(() => this.#layout()).observe(canvas.parentElement);
	}

	/** reset shows a model: the numbers of its layers that have experts, and how many each has. */
	reset(layers, experts) {
		this.#layers = layers;
		this.#experts = experts;
		const n = layers.length * experts;
		this.#heat = new Float32Array(n);
		this.#read = new Float32Array(n);
		this.#resident = null;
		this.#layout();
	}

	/** work takes in what happened: see docs/server.md for the fields. */
	work({ tokens, chosen, counts, arrived, departed }) {
		if (arrived.length + departed.length > 0) this.#resident ??= new Uint8Array(this.#heat.length);
		for (const i of departed) this.#resident[i] = 0;
		for (const i of arrived) this.#resident[i] = 1;
		const came = new Set(arrived);
		for (const [at, i] of chosen.entries()) {
			// Of one token an expert is all, of a prompt it is a share.
			const light = Math.max(0.2, Math.min(1, counts[at] / Math.max(1, tokens)) ** 0.7);
			this.#heat[i] = Math.max(this.#heat[i], light);
			if (came.has(i)) this.#read[i] = 1;
		}
		this.#later();
	}

	/** recolor takes the colours of the theme anew. */
	recolor() {
		this.#colors = null;
		this.#later();
	}

	/** at returns which expert is at a point of the canvas, in CSS pixels: {layer, expert, index, resident}; null: none. */
	at(x, y) {
		const { left, top, size, tall } = this.#shape ?? {};
		const expert = Math.floor((x - left) / size), row = Math.floor((y - top) / tall);
		if (!(expert >= 0 && expert < this.#experts && row >= 0 && row < this.#layers.length)) return null;
		const index = row * this.#experts + expert;
		return { layer: this.#layers[row], expert, index, resident: this.#resident ? this.#resident[index] === 1 : null };
	}

	/** residents returns how many experts are in memory; null: the file is mapped. */
	residents() {
		return this.#resident ? this.#resident.reduce((a, b) => a + b, 0) : null;
	}

	/** lit returns how many cells are lit. */
	lit() {
		return this.#heat.reduce((n, h) => n + (h > cold ? 1 : 0), 0);
	}

	#shape = null;

	#layout() {
		const width = this.#canvas.parentElement.clientWidth;
		if (width === 0 || this.#experts === 0) return;
		const left = 26, top = 4, bottom = 18;
		const size = Math.min(22, (width - left - 2) / this.#experts);
		const tall = Math.max(size, Math.min(7, 280 / this.#layers.length)); // many experts make narrow cells: rows stay apart
		const height = Math.ceil(top + tall * this.#layers.length + bottom), scale = devicePixelRatio;
		this.#shape = { left, top, size, tall, width, height, scale };
		Object.assign(this.#canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
		Object.assign(this.#canvas.style, { width: `${width}px`, height: `${height}px` });
		this.#draw();
	}

	#later() {
		if (this.#frame) return;
		this.#time ||= performance.now();
		// Where motion is unwanted the picture changes a few times a second only.
		if (this.#still.matches) this.#frame = setTimeout(() => this.#step(performance.now()), 400);
		else this.#frame = requestAnimationFrame((now) => this.#step(now));
	}

	#step(now) {
		this.#frame = 0;
		this.#draw();
		const keep = 0.5 ** (Math.max(0, now - this.#time) / halfLife);
		this.#time = now;
		let lit = false;
		for (let i = 0; i < this.#heat.length; i++) {
			this.#heat[i] = this.#heat[i] > cold ? this.#heat[i] * keep : 0;
			this.#read[i] = this.#read[i] > cold ? this.#read[i] * keep : 0;
			lit ||= this.#heat[i] > 0;
		}
		if (lit) this.#later();
		else {
			this.#time = 0;
			this.#draw();
		}
	}

	#palette() {
		if (this.#colors) return this.#colors;
		// A variable holds both themes' colours: only as the colour of an element it is one of them.
		const style = getComputedStyle(this.#canvas);
		const color = (name) => {
			this.#canvas.style.color = `var(${name})`;
			return style.color.match(/[0-9.]+/g).slice(0, 3).map(Number);
		};
		const mix = (a, b) => Array.from({ length: steps + 1 }, (_, i) => `rgb(${a.map((v, k) => Math.round(v + ((b[k] - v) * i) / steps)).join()})`);
		const disk = color("--cell-disk"), memory = color("--cell-memory"), work = color("--cell-work"), read = color("--cell-read");
		this.#colors = { work: [mix(disk, work), mix(memory, work)], read: [mix(disk, read), mix(memory, read)], text: `rgb(${color("--muted").join()})`, font: style.fontFamily };
		return this.#colors;
	}

	#draw() {
		if (!this.#shape) return;
		const { left, top, size, tall, scale, width, height } = this.#shape, colors = this.#palette();
		const g = this.#canvas.getContext("2d");
		g.setTransform(scale, 0, 0, scale, 0, 0);
		g.clearRect(0, 0, width, height);
		const gap = size >= 8 ? 2 : size >= 4 ? 1 : 0.5, cell = size - gap, round = size >= 8 ? 3 : 0;
		for (let row = 0, i = 0; row < this.#layers.length; row++) {
			for (let x = 0; x < this.#experts; x++, i++) {
				const resident = this.#resident && !this.#resident[i] ? 0 : 1;
				const fresh = this.#read[i] > cold;
				g.fillStyle = (fresh ? colors.read : colors.work)[resident][Math.round(this.#heat[i] * steps)];
				g.beginPath();
				g.roundRect(left + x * size, top + row * tall, cell, tall - gap, round);
				g.fill();
			}
		}
		this.#axes(g, colors);
	}

	// axes writes numbers of layers and experts, as many as fit.
	#axes(g, colors) {
		const { left, top, size, tall } = this.#shape;
		g.fillStyle = colors.text;
		g.font = `10px ${colors.font}`;
		g.textAlign = "right";
		g.textBaseline = "middle";
		const rows = Math.max(1, Math.ceil(14 / tall));
		for (let row = 0; row < this.#layers.length; row += rows) g.fillText(this.#layers[row], left - 6, top + (row + 0.5) * tall);
		g.textAlign = "center";
		g.textBaseline = "top";
		const columns = [1, 2, 4, 8, 16, 32, 64].find((n) => n * size >= 24) ?? 64;
		for (let x = 0; x < this.#experts; x += columns) g.fillText(x, left + (x + 0.5) * size, top + this.#layers.length * tall + 4);
	}
}
