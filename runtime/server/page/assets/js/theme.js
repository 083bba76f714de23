// Runs before the page is drawn, so that it is drawn in the theme that was chosen and not in another first. It is no module: modules run later.
try {
	const theme = localStorage.getItem("st.theme");
	if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
	// Without storage the theme is the system's.
}
