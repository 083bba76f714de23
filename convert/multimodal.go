package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/tokenizer/hffile"
)

// otherParts are modules of a model that sees or hears which its text part does without.
var otherParts = []string{"vision_tower", "vision_model", "audio_tower", "multi_modal_projector", "embed_vision", "embed_audio"}

// partOf returns the module, one of some, that a tensor belongs to; "" if it is of none.
func partOf(name string, modules []string) string {
	parts := strings.Split(withoutWrappers(name), ".")
	for _, part := range parts[:min(3, len(parts))] {
		if slices.Contains(modules, part) {
			return part
		}
	}
	return ""
}

// textConfig returns text_config of the config.json of a model that sees or hears. What is said of the whole model counts where text_config
// says nothing.
func textConfig(text []byte) ([]byte, error) {
	var outer struct {
		Text map[string]json.RawMessage `json:"text_config"`
		Tied json.RawMessage            `json:"tie_word_embeddings"`
	}
	if err := hffile.Unmarshal(text, &outer); err != nil {
		return nil, err
	}
	if outer.Text == nil {
		return nil, fmt.Errorf("field text_config is missing: it describes the text part of the model")
	}
	if _, ok := outer.Text["tie_word_embeddings"]; !ok && outer.Tied != nil {
		outer.Text["tie_word_embeddings"] = outer.Tied
	}
	return json.Marshal(outer.Text)
}

// counted returns a number and its noun: 1 tensor, 2 tensors.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// otherNote tells which tensors are left out, by module; "" for none.
func otherNote(number map[string]int) string {
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(number)) {
		parts = append(parts, fmt.Sprintf("%s of %s", counted(number[part], "tensor"), part))
	}
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("only the text part of the model is converted: %s left out", strings.Join(parts, ", "))
}
