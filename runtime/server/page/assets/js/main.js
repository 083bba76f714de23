// Starts the page.

import { Composer } from "./composer.js";
import { Controller } from "./controller.js";
import { askKey } from "./dialogs.js";
import { $, announce, draw, h, notice } from "./dom.js";
import { Experts } from "./experts.js";
import { Messages } from "./messages.js";
import { Settings } from "./settings.js";
import { listen } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { keep, setting, Store } from "./store.js";

const suggestions = ["Explain mixture-of-experts models to a child.", "Write a Go function that reverses a string.", "Compare tea and coffee in a table."];

const store = new Store();
const controller = new Controller(store);
controller.addEventListener("problem", (e) => notice(e.detail)); // which may come at once
await store.open();
const open = setting("open", null);
if (open) await controller.open(open); // before the parts of the page, which begin with what it has
const messages = new Messages(controller);
const composer = new Composer(controller, messages);
const settings = new Settings(controller);
const experts = new Experts(controller);

// On a phone one of the three columns is seen at a time: the sides lie over the middle.
const narrow = matchMedia("(max-width: 860px)");

const sides = { sidebar: !narrow.matches && setting("sidebar", true), panel: narrow.matches ? "" : setting("panel", innerWidth >= 1280 ? "experts" : "") };
let opener = null; // gets the focus back

function showSides() {
	const { sidebar, panel } = sides, over = narrow.matches && (sidebar || panel !== "");
	$("sidebar").hidden = !sidebar;
	$("panel").hidden = panel === "";
	$("settings").hidden = panel !== "settings";
	$("experts").hidden = panel !== "experts";
	$("scrim").hidden = !over;
	$("main").inert = over;
	$("sidebar-toggle").setAttribute("aria-expanded", sidebar);
	$("settings-toggle").setAttribute("aria-expanded", panel === "settings");
	$("experts-toggle").setAttribute("aria-expanded", panel === "experts");
	experts.show(panel === "experts");
	if (panel === "settings") settings.opened();
}

function setSide(side, value, { focus = true } = {}) {
	const opens = Boolean(value);
	if (opens) opener = document.activeElement;
	if (narrow.matches) Object.assign(sides, { sidebar: false, panel: "" });
	sides[side] = value;
	if (!narrow.matches) keep(side, value);
	showSides();
	if (opens && (narrow.matches || value === "settings")) {
		const first = side === "sidebar" ? $("sidebar-close") : $(value).querySelector(".panel-close");
		if (focus) (value === "settings" && !narrow.matches ? $("p-system") : first).focus();
	} else if (!opens && focus) {
		(opener?.isConnected && opener !== document.body && !opener.closest("[hidden]") ? opener : $("input")).focus();
	}
}

const toggleSidebar = () => setSide("sidebar", !sides.sidebar, { focus: narrow.matches });
const togglePanel = (name) => setSide("panel", sides.panel === name ? "" : name);

function closeOverlays() {
	if (!narrow.matches || !(sides.sidebar || sides.panel)) return false;
	setSide("sidebar", false);
	return true;
}

const sidebar = new Sidebar(controller, () => closeOverlays());

draw("sidebar-toggle", "menu").addEventListener("click", toggleSidebar);
draw("sidebar-close", "close").addEventListener("click", () => setSide("sidebar", false));
draw("settings-toggle", "sliders").addEventListener("click", () => togglePanel("settings"));
draw("experts-toggle", "grid").addEventListener("click", () => togglePanel("experts"));
for (const b of document.querySelectorAll(".panel-close")) {
	b.id ||= `close-${b.closest("section").id}`;
	draw(b.id, "close").addEventListener("click", () => setSide("panel", ""));
}
$("scrim").addEventListener("click", closeOverlays);
narrow.addEventListener("change", () => {
	Object.assign(sides, narrow.matches ? { sidebar: false, panel: "" } : { sidebar: setting("sidebar", true), panel: setting("panel", "") });
	showSides();
});

// The theme: the system's, or the one that was chosen.
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function showTheme() {
	const b = $("theme");
	b.ariaLabel = b.title = isDark() ? "Light theme" : "Dark theme";
	experts.recolor();
}

function toggleTheme() {
	const theme = isDark() ? "light" : "dark";
	document.documentElement.dataset.theme = theme;
	try {
		// What is the system's anyway is left to it.
		if ((theme === "dark") === dark.matches) localStorage.removeItem("st.theme");
		else localStorage.setItem("st.theme", theme);
	} catch {
		// It holds until the page is closed.
	}
	showTheme();
}

draw("theme", "contrast").addEventListener("click", toggleTheme);
dark.addEventListener("change", () => {
	delete document.documentElement.dataset.theme;
	showTheme();
});

// The models.
const someModels = $("empty-text").textContent;
const noModels = "The server has no models yet. Fetch one with “st pull ORG/NAME”: it appears here when you come back to this page.";

function showModels() {
	const { model } = controller.conversation, select = $("model");
	const options = controller.models.map((name) => h("option", { value: name }, name));
	if (!controller.models.includes(model)) options.unshift(h("option", { value: model, disabled: true }, model ? `${model} (not served)` : "No model"));
	select.replaceChildren(...options);
	select.value = model;
	select.title = model;
	const none = controller.models.length === 0;
	$("suggestions").hidden = none;
	$("empty-text").textContent = none ? noModels : someModels;
}

$("model").addEventListener("change", async (e) => {
	await controller.change({ model: e.target.value });
	showModels();
	experts.update();
	if (sides.panel === "settings") settings.opened();
});
addEventListener("focus", () => controller.loadModels());
// A page that is hidden may be ended without a word, and one that is closed may have been hidden before.
addEventListener("pagehide", () => controller.leave());
document.addEventListener("visibilitychange", () => document.hidden && controller.leave());

function showContext() {
	const { context } = experts, m = controller.shown().findLast((m) => m.stats?.prompt);
	const used = m ? m.stats.prompt + m.stats.tokens : 0;
	$("context").textContent = used === 0 ? "" : context ? `${used.toLocaleString("en")} of ${context.toLocaleString("en")} tokens of context used` : `${used.toLocaleString("en")} tokens of context used`;
}

function showTitle() {
	const { title } = controller.conversation;
	document.title = title ? `${title} – st` : "st";
}

controller.addEventListener("models", showModels);
for (const event of ["conversation", "list"]) controller.addEventListener(event, showTitle);
controller.addEventListener("conversation", () => {
	showModels();
	showContext();
	if (sides.panel === "settings") settings.opened();
});
controller.addEventListener("running", () => {
	showContext();
	if (controller.running) announce("The answer is coming.");
});
controller.addEventListener("unauthorized", async (e) => {
	if (!(await askKey())) return;
	notice("");
	await controller.loadModels();
	e.detail();
});

const showHelp = listen({
	newChat: () => sidebar.begin(),
	sidebar: toggleSidebar,
	settings: () => togglePanel("settings"),
	experts: () => togglePanel("experts"),
	previous: () => sidebar.move(-1),
	next: () => sidebar.move(1),
	write: () => $("input").focus(),
	stop: () => closeOverlays() || controller.stop(),
});
draw("help", "keyboard").addEventListener("click", showHelp);

$("suggestions").append(...suggestions.map((text) => h("button", { type: "button", onclick: () => composer.write(text) }, text)));

showSides();
showTheme();
await sidebar.load();
controller.dispatchEvent(new Event("conversation"));
await controller.loadModels();
document.documentElement.dataset.ready = "";
