// Package chart draws the pictures of a report as SVG, which a browser shows without help from the network or from scripts.
//
// Colours are CSS variables, so that the page decides what light and dark look like: --ink, --faint, --line, --accent and
// --series-0 to --series-5. Every mark carries its numbers in a <title>, which browsers show as a tooltip.
package chart
