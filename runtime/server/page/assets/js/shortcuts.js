// Keys. The browser's own are left alone where pages may not, or should not, take them.

import { help } from "./dialogs.js";

const mac = /Mac|iPhone|iPad/.test(navigator.platform);
const mod = mac ? "⌘" : "Ctrl";

/** listen makes keys do what actions says: {newChat, sidebar, settings, experts, theme, previous, next, write, stop}. */
export function listen(actions) {
	const list = [
		{ keys: ["Enter"], what: "Send the message" },
		{ keys: ["Shift", "Enter"], what: "New line" },
		{ keys: ["↑"], what: "Edit your last message, if the box is empty" },
		{ keys: ["Esc"], what: "Stop the answer; close what is open" },
		{ keys: [mod, "K"], what: "New chat", key: "k", action: actions.newChat },
		{ keys: [mod, "B"], what: "Show or hide the conversations", key: "b", action: actions.sidebar },
		{ keys: [mod, ","], what: "Settings", key: ",", action: actions.settings },
		{ keys: [mod, "E"], what: "Experts at work", key: "e", action: actions.experts },
		{ keys: ["Alt", "↑"], what: "Conversation above", alt: "ArrowUp", action: actions.previous },
		{ keys: ["Alt", "↓"], what: "Conversation below", alt: "ArrowDown", action: actions.next },
		{ keys: ["/"], what: "Go to the message box", plain: "/", action: actions.write },
		{ keys: ["?"], what: "This list", plain: "?", action: () => help(list) },
	];
	document.addEventListener("keydown", (e) => {
		if (e.defaultPrevented || e.isComposing || document.querySelector("dialog[open], :popover-open")) return;
		if (e.key === "Escape") {
			actions.stop();
			return;
		}
		const command = (mac ? e.metaKey : e.ctrlKey) && !e.altKey && !e.shiftKey;
		const plain = !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest("input, textarea, select");
		const found = list.find((s) => (command && s.key === e.key.toLowerCase()) || (e.altKey && !e.ctrlKey && s.alt === e.key) || (plain && s.plain === e.key));
		if (!found) return;
		e.preventDefault();
		found.action();
	});
	return () => help(list);
}
