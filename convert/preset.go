package convert

import "st/quant"

type preset struct {
	name   string
	recipe Recipe
}

var q4, q8 = quant.Q4_0, quant.Q8_0

// presets are recipes that are worth a name, from the least precise on. README.md has their figures.
var presets = []preset{
	{"smallest", Recipe{Type: q4, Embed: &q4}},
	{"fast", Recipe{Type: q4}},
	{"balanced", Recipe{Type: q4, Head: &q8}},
	{"fine", Recipe{Type: q4, Attention: &q8, Head: &q8}},
	{"precise", Recipe{Type: q8}},
}

// Preset returns the recipe of that name.
func Preset(name string) (Recipe, bool) {
	for _, p := range presets {
		if p.name == name {
			return p.recipe, true
		}
	}
	return Recipe{}, false
}

// PresetNames lists the presets, from the least precise on.
func PresetNames() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}
