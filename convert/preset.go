package convert

import "st/quant"

type preset struct {
	name   string
	recipe Recipe
}

var q4, q8 = quant.Q4_0, quant.Q8_0

// presets are recipes that are worth a name, the smallest first. README.md has their figures.
var presets = []preset{
	{"smallest", Recipe{Type: q4, Embed: &q4}},
	{"small", Recipe{Type: q4}},
	{"medium", Recipe{Type: q4, Attention: &q8}},
	{"large", Recipe{Type: q4, Attention: &q8, Head: &q8}},
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

// PresetNames lists the presets, the smallest first.
func PresetNames() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}
